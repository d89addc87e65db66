# %% [markdown] lang="en"
# # Learning from few pictures
#
# Who knows cats learns lynxes quickly. A net that has seen many pictures learns new kinds from a handful. That is *transfer learning*.

# %% [markdown] lang="ko"
# # 적은 사진으로 배우기
#
# 고양이를 아는 사람은 스라소니도 금방 배워요. 많은 그림을 본 신경망은 새로운 종류를 몇 장만 보고도 배워요. 이것이 *전이 학습*이에요.

# %%
import matplotlib.pyplot as plt
import numpy as np

from labs_extension.data import SHAPES, make_shapes
from labs_extension.lesson import QUICK, camera, check, start, words

start(seed=4)

import keras
from keras import layers

# %% [markdown] lang="en"
# ## Two worlds
#
# There is plenty of the first six shapes. Of the other four we have **five pictures each**.

# %% [markdown] lang="ko"
# ## 두 세계
#
# 앞의 여섯 도형은 그림이 아주 많아요. 나머지 네 도형은 **다섯 장씩**뿐이에요.

# %%
KNOWN, NEW = range(6), range(6, 10)
x_known, y_known = make_shapes(3200 if QUICK else 12800, seed=10, classes=KNOWN)
x_few, y_few = make_shapes(5 * len(NEW), seed=11, classes=NEW)
x_test, y_test = make_shapes(400, seed=12, classes=NEW)
y_few, y_test = y_few - 6, y_test - 6

# %%
figure, axes = plt.subplots(4, 5, figsize=(5, 4.4))
for row, label in enumerate(NEW):
    for place, image in zip(axes[row], x_few[y_few == row]):
        place.imshow(image)
        place.set(xticks=[], yticks=[])
    axes[row, 0].set_ylabel(SHAPES[label])
plt.show()

# %%
check(
    len(x_few) == 20 and len(x_test) == 400,
    en="20 pictures to learn from, 400 to be tested on.",
    ko="20장으로 배우고 400장으로 시험을 봐요.",
)


# %% [markdown] lang="en"
# ## The eye and the judge
#
# A net has two parts. The *eye* turns a picture into 64 numbers; the *judge* turns these into an answer. The eye is what transfers.

# %% [markdown] lang="ko"
# ## 눈과 판단
#
# 신경망은 두 부분이에요. *눈*은 그림을 숫자 64개로 바꾸고, *판단*은 그 숫자를 답으로 바꿔요. 옮겨 쓰는 것은 눈이에요.


# %%
def new_eye():
    eye = [keras.Input((32, 32, 3)), layers.Rescaling(1 / 255)]
    for width in (16, 32, 64):
        eye += [
            layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
        ]
    return keras.Sequential([*eye, layers.GlobalMaxPooling2D()])


def train(model, x, y, epochs, batch):
    model.compile(
        keras.optimizers.Adam(5e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x, y, epochs=epochs, batch_size=batch, verbose=0)


def right(model, x, y):
    return float(np.mean(model.predict(x, verbose=0).argmax(axis=1) == y))


# %% [markdown] lang="en"
# ## Without experience
#
# First, a new net, with the twenty pictures only.

# %% [markdown] lang="ko"
# ## 경험 없이
#
# 먼저 새 신경망을 스무 장만으로 학습해요.

# %%
fresh = keras.Sequential([new_eye(), layers.Dense(len(NEW))])
train(fresh, x_few, y_few, epochs=40, batch=20)
without = right(fresh, x_test, y_test)
print(f"{without:.0%}")

# %% [markdown] lang="en"
# ## With experience
#
# Now an eye that has seen the six other shapes many times.

# %% [markdown] lang="ko"
# ## 경험을 쌓고
#
# 이번에는 다른 여섯 도형을 많이 본 눈을 만들어요.

# %%
eye = new_eye()
train(
    keras.Sequential([eye, layers.Dense(len(KNOWN))]),
    x_known,
    y_known,
    epochs=5 if QUICK else 10,
    batch=64,
)

# %% [markdown] lang="en"
# We *freeze* it: it is not changed any more, and only a new judge is trained. There are few weights to learn, so twenty pictures are enough.

# %% [markdown] lang="ko"
# 눈을 *얼려요*. 더는 바뀌지 않고, 새 판단만 배워요. 배울 가중치가 적어서 스무 장이면 돼요.

# %%
eye.trainable = False
transferred = keras.Sequential([eye, layers.Dense(len(NEW))])
train(transferred, x_few, y_few, epochs=100, batch=20)
with_experience = right(transferred, x_test, y_test)
print(f"{with_experience:.0%}")

# %%
figure, axes = plt.subplots(figsize=(5, 2))
axes.barh(
    [words(en="without experience", ko="경험 없이"), words(en="with experience", ko="경험을 쌓고")],
    [without, with_experience],
)
axes.axvline(1 / len(NEW), color="grey", linestyle=":")
axes.set_xlim(0, 1)
axes.set_xlabel(words(en="accuracy (dotted: by chance)", ko="정확도 (점선: 찍었을 때)"))
plt.show()

# %%
check(
    with_experience > without + 0.05,
    en=f"Experience helps: {without:.0%} without, {with_experience:.0%} with it.",
    ko=f"경험이 도움이 돼요. 없이 {without:.0%}, 있으면 {with_experience:.0%}예요.",
)

# %% [markdown] lang="en"
# ## Your own picture
#
# With a thick pen draw a bar, a half disc, a frame or two dots, open the camera and take its picture. It goes to this notebook only.

# %% [markdown] lang="ko"
# ## 내가 찍은 그림
#
# 굵은 펜으로 막대, 반원, 액자, 점 두 개 가운데 하나를 그리고 카메라로 찍으세요. 사진은 이 노트북에만 와요.

# %%
lens = camera()
lens

# %%
picture = lens.image()
if picture is None:
    print(
        words(
            en="No picture was taken: here is one of ours.",
            ko="찍은 사진이 없어서 준비한 그림을 써요.",
        )
    )
    picture = x_test[0].repeat(7, axis=0).repeat(7, axis=1)
small = picture.reshape(32, 7, 32, 7, 3).mean(axis=(1, 3))

# %%
scores = np.asarray(keras.ops.softmax(transferred.predict(small[None], verbose=0)))[0]
figure, (left, beside) = plt.subplots(1, 2, figsize=(7, 2.5))
left.imshow(small / 255)
left.axis("off")
beside.barh([SHAPES[label] for label in NEW], scores)
beside.set_xlim(0, 1)
plt.show()

# %%
check(
    small.shape == (32, 32, 3) and abs(scores.sum() - 1) < 1e-3,
    en="Your picture was made as small as those that the net knows, and judged.",
    ko="사진을 신경망이 아는 크기로 줄이고 판단했어요.",
)

# %% [markdown] lang="en"
# **With the Internet**, take an eye that has seen a million photographs: `keras.applications.MobileNetV2(weights="imagenet", include_top=False, pooling="avg")`. The rest stays as it is here. **Next:** [A competition](07_a_competition.ipynb)

# %% [markdown] lang="ko"
# **인터넷이 된다면** 사진 백만 장을 본 눈을 쓸 수 있어요. `keras.applications.MobileNetV2(weights="imagenet", include_top=False, pooling="avg")`로 바꾸면 나머지는 그대로예요. **다음:** [대회 참가](07_a_competition.ipynb)
