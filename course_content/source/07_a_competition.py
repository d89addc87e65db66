# %% [markdown] lang="en"
# # A competition
#
# On Kaggle you get pictures with answers, and pictures without. You hand in a table of answers: `submission.csv`.

# %% [markdown] lang="ko"
# # 대회 참가
#
# Kaggle에서는 답이 있는 그림과 답이 없는 그림을 줘요. 여러분은 답을 적은 표 `submission.csv`를 내요.

# %%
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from labs_extension.data import load_digits
from labs_extension.lesson import QUICK, NoCompetition, check, competition, start, words

start(seed=5)

import keras
from keras import layers

folder = Path("digit-recognizer")

# %% [markdown] lang="en"
# ## Your token
#
# On kaggle.com, in your settings, make an API token and accept the rules of the competition *Digit Recognizer*. Upload `kaggle.json` into the folder `.kaggle` of your home, and in a terminal: `chmod 600 ~/.kaggle/kaggle.json`.
#
# The token is your password. **Never write it into a notebook**: a notebook is handed around. The next cell reads it from its file and does not show it.

# %% [markdown] lang="ko"
# ## 내 토큰
#
# kaggle.com의 설정에서 API 토큰을 만들고, *Digit Recognizer* 대회 규칙에 동의하세요. `kaggle.json`을 홈의 `.kaggle` 폴더에 올리고, 터미널에서 `chmod 600 ~/.kaggle/kaggle.json`을 실행하세요.
#
# 토큰은 비밀번호예요. **노트북에는 절대 적지 마세요.** 노트북은 여러 사람이 돌려 봐요. 다음 셀은 파일에서 토큰을 읽고, 화면에 보여 주지 않아요.

# %%
try:
    if QUICK:
        raise NoCompetition(
            words(en="In a hurry: no network.", ko="빠른 실행: 네트워크를 쓰지 않아요.")
        )
    files = competition("digit-recognizer", folder)
except NoCompetition as problem:
    print(problem)
    files = []
print([file.name for file in files])

# %% [markdown] lang="en"
# Without token or network we make a competition of our own, with files of the same form, and keep its answers in a drawer.

# %% [markdown] lang="ko"
# 토큰이나 네트워크가 없으면 같은 형식의 파일로 우리만의 대회를 만들고, 답은 서랍에 넣어 둬요.

# %%
drawer = None
if not files:
    folder.mkdir(exist_ok=True)
    (images, labels), (unknown, drawer) = load_digits()
    pixels = [f"pixel{number}" for number in range(64)]
    for name, head, rows in (
        ("train.csv", ["label", *pixels], np.column_stack([labels, images.reshape(-1, 64)])),
        ("test.csv", pixels, unknown.reshape(-1, 64)),
    ):
        np.savetxt(folder / name, rows, fmt="%d", delimiter=",", header=",".join(head), comments="")

# %%
train, test = (
    np.loadtxt(folder / name, delimiter=",", skiprows=1, dtype="float32")
    for name in ("train.csv", "test.csv")
)
if drawer is not None:
    # Of our own making, they must not be taken for Kaggle's next time.
    for name in ("train.csv", "test.csv"):
        (folder / name).unlink()
y, x = train[:, 0].astype(int), train[:, 1:] / train[:, 1:].max()
x_test = test / train[:, 1:].max()
side = int(x.shape[1] ** 0.5)
x, x_test = (rows.reshape(-1, side, side, 1) for rows in (x, x_test))
print(x.shape, x_test.shape)

# %%
check(
    len(x) == len(y) and x.shape[1:] == x_test.shape[1:],
    en="Each picture has an answer, and those to be judged have the same shape.",
    ko="그림마다 답이 있고, 맞혀야 할 그림도 모양이 같아요.",
)

# %% [markdown] lang="en"
# ## Know before you hand in
#
# You may hand in a few times a day only. So keep a fifth of the pictures back, and be your own judge.

# %% [markdown] lang="ko"
# ## 내기 전에 알아보기
#
# 하루에 몇 번만 낼 수 있어요. 그래서 그림의 5분의 1을 따로 두고 스스로 채점해요.

# %%
order = np.random.default_rng(0).permutation(len(x))
held, used = order[: len(x) // 5], order[len(x) // 5 :]

model = keras.Sequential(
    [
        keras.Input(x.shape[1:]),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.GlobalMaxPooling2D(),
        layers.Dense(10),
    ]
)
model.compile(
    keras.optimizers.Adam(5e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x[used], y[used], batch_size=64, epochs=6 if QUICK else 12, verbose=0)
expected = float(np.mean(model.predict(x[held], verbose=0).argmax(axis=1) == y[held]))
print(f"{expected:.1%}")

# %% [markdown] lang="en"
# ## The submission
#
# One row for each picture: its number, beginning with 1, and the answer.

# %% [markdown] lang="ko"
# ## 제출 파일
#
# 그림마다 한 줄씩, 1부터 시작하는 번호와 답을 적어요.

# %%
answers = model.predict(x_test, verbose=0).argmax(axis=1)
with open("submission.csv", "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["ImageId", "Label"])
    rows.writerows(enumerate(answers.tolist(), start=1))
print(*Path("submission.csv").read_text().splitlines()[:4], sep="\n")

# %%
with open("submission.csv", newline="") as file:
    handed_in = list(csv.DictReader(file))
check(
    [int(row["ImageId"]) for row in handed_in] == list(range(1, len(x_test) + 1))
    and all(0 <= int(row["Label"]) <= 9 for row in handed_in),
    en="The file has one answer for each picture, in the form that Kaggle wants.",
    ko="파일에 그림마다 답이 하나씩 있고, Kaggle이 원하는 형식이에요.",
)

# %% [markdown] lang="en"
# ## The result
#
# In our own competition we may open the drawer. Was your own judgement about right?

# %% [markdown] lang="ko"
# ## 결과
#
# 우리만의 대회라면 서랍을 열 수 있어요. 스스로 한 채점이 맞았나요?

# %%
figure, axes = plt.subplots(figsize=(6, 2))
axes.bar(range(10), np.bincount(answers, minlength=10))
axes.set_xticks(range(10))
axes.set_title(words(en="How often each digit was answered", ko="숫자별로 답한 횟수"))
plt.show()

# %%
if drawer is not None:
    real = float(np.mean(answers == drawer))
    check(
        abs(real - expected) < 0.1 and real > 0.8,
        en=f"You expected {expected:.0%}, and it is {real:.0%}.",
        ko=f"예상은 {expected:.0%}, 실제는 {real:.0%}예요.",
    )
else:
    print(
        words(
            en="Download submission.csv with the file browser, and upload it on the competition's page.",
            ko="파일 브라우저에서 submission.csv를 내려받아 대회 페이지에 올리세요.",
        )
    )

# %% [markdown] lang="en"
# That was the course. **Stop your machine when you are done.**

# %% [markdown] lang="ko"
# 강의가 끝났어요. **다 썼으면 컴퓨터를 꺼 주세요.**
