# %% [markdown] lang="en"
# # MNIST: reading digits
#
# 60,000 handwritten digits to learn from, 10,000 to be tested on. The aim: **99 %** of the test right.

# %% [markdown] lang="ko"
# # MNIST: 손글씨 숫자 읽기
#
# 손글씨 숫자 60,000장으로 배우고 10,000장으로 시험을 봐요. 목표는 시험에서 **99 %**를 맞히는 거예요.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from labs_extension.data import DataMissing, load_digits, load_mnist
from labs_extension.lesson import QUICK, check, start, words

start(seed=1)

import keras
from keras import layers

# %% [markdown] lang="en"
# ## The data
#
# If MNIST is not on this machine, or you are in a hurry, smaller digits stand in: 1,797 of 8 × 8 pixels. The figures then mean less, and the notebook says so.

# %% [markdown] lang="ko"
# ## 데이터
#
# 이 컴퓨터에 MNIST가 없거나 바쁘다면 더 작은 숫자(8 × 8 픽셀, 1,797장)를 대신 써요. 그때는 결과의 의미가 작아지고, 노트북이 그렇다고 알려 줘요.

# %%
try:
    (x, y), (x_test, y_test) = load_digits() if QUICK else load_mnist()
except DataMissing as error:
    print(error)
    (x, y), (x_test, y_test) = load_digits()
is_mnist = x.shape[1] == 28
brightest = 255 if is_mnist else 16
x, x_test = (images[..., None].astype("float32") / brightest for images in (x, x_test))
if QUICK:
    # Whole batches only: for another size everything would be compiled once more.
    x, y, x_test, y_test = x[:1408], y[:1408], x_test[:352], y_test[:352]
print(
    "MNIST" if is_mnist else words(en="small digits, not MNIST", ko="MNIST가 아닌 작은 숫자"),
    x.shape,
    x_test.shape,
)

# %% [markdown] lang="en"
# Look at the data before you compute anything.

# %% [markdown] lang="ko"
# 계산하기 전에 데이터부터 보세요.

# %%
figure, axes = plt.subplots(2, 8, figsize=(8, 2.4))
for place, image, label in zip(axes.flat, x, y):
    place.imshow(image[..., 0], cmap="gray_r")
    place.set_title(label)
    place.axis("off")
plt.show()

# %%
check(
    x.min() == 0 and x.max() == 1 and set(y) == set(range(10)),
    en="Pixels lie between 0 and 1, and there are ten digits.",
    ko="픽셀은 0과 1 사이이고, 숫자는 열 가지예요.",
)

# %% [markdown] lang="en"
# ## The net
#
# Three convolutions find strokes, then parts, then digits. Batch normalisation keeps the numbers in a good range, so that it learns fast.

# %% [markdown] lang="ko"
# ## 신경망
#
# 합성곱 세 층이 차례로 획, 부분, 숫자를 찾아요. 배치 정규화가 숫자의 크기를 알맞게 유지해서 빨리 배워요.

# %%
EPOCHS, BATCH = (4, 64) if QUICK else (5, 256)


def block(x, width, pool):
    x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.ReLU()(x)
    return layers.MaxPooling2D()(x) if pool else x


inputs = keras.Input(x.shape[1:])
hidden = block(block(block(inputs, 16, True), 32, True), 64, False)
outputs = layers.Dense(10)(layers.GlobalMaxPooling2D()(hidden))
model = keras.Model(inputs, outputs)
print(f"{model.count_params():,}", words(en="weights", ko="개의 가중치"))

# %% [markdown] lang="en"
# ## The training
#
# The steps grow at first, then shrink: that is what lets five epochs be enough.

# %% [markdown] lang="ko"
# ## 학습
#
# 걸음을 처음에는 키우고 나중에는 줄여요. 그래서 다섯 에폭이면 충분해요.

# %%
steps = EPOCHS * -(-len(x) // BATCH)
pace = keras.optimizers.schedules.CosineDecay(
    0.0, steps - steps // 5, warmup_target=1e-2, warmup_steps=steps // 5
)
model.compile(
    keras.optimizers.AdamW(pace, weight_decay=1e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
begun = time.perf_counter()
history = model.fit(
    x,
    y,
    batch_size=BATCH,
    epochs=EPOCHS,
    validation_data=(x_test, y_test),
    verbose=0 if QUICK else 2,
)
print(f"{time.perf_counter() - begun:.1f} s")

# %%
figure, axes = plt.subplots()
epochs = range(1, EPOCHS + 1)
axes.plot(epochs, history.history["accuracy"], "o-", label=words(en="training", ko="학습"))
axes.plot(epochs, history.history["val_accuracy"], "o-", label=words(en="test", ko="시험"))
axes.set_xlabel(words(en="epoch", ko="에폭"))
axes.set_ylabel(words(en="accuracy", ko="정확도"))
axes.legend()
plt.show()

# %% [markdown] lang="en"
# ## Was it good enough?
#
# The accuracy after the *last* epoch counts. To pick the best one would be to look at the answers.

# %% [markdown] lang="ko"
# ## 충분한가요?
#
# *마지막* 에폭의 정확도가 성적이에요. 그중 가장 좋은 것을 고르면 답을 미리 본 셈이에요.

# %%
accuracy = history.history["val_accuracy"][-1]
target = 0.99 if is_mnist else 0.9
check(
    accuracy >= target,
    en=f"{accuracy:.2%} of the test are right, at least {target:.0%}.",
    ko=f"시험에서 {accuracy:.2%}를 맞혔어요. 목표는 {target:.0%}예요.",
)

# %% [markdown] lang="en"
# ## Where it is wrong
#
# Would you have known these?

# %% [markdown] lang="ko"
# ## 틀린 것들
#
# 여러분이라면 맞혔을까요?

# %%
said = model.predict(x_test, verbose=0).argmax(axis=1)
wrong = np.flatnonzero(said != y_test)
figure, axes = plt.subplots(1, 8, figsize=(8, 1.5))
for place in axes:
    place.axis("off")
for place, which in zip(axes, wrong):
    place.imshow(x_test[which, ..., 0], cmap="gray_r")
    place.set_title(f"{y_test[which]} → {said[which]}")
plt.show()

# %%
check(
    abs((1 - len(wrong) / len(y_test)) - accuracy) < 1e-3,
    en=f"{len(wrong)} are wrong, which is what the accuracy says.",
    ko=f"{len(wrong)}장이 틀렸고, 정확도와 맞아요.",
)

# %% [markdown] lang="en"
# **Try:** shift the pictures by a pixel while training, or train longer. How far can you get beyond 99 %? **Next:** [CIFAR-10](04_cifar10.ipynb)

# %% [markdown] lang="ko"
# **해 보기:** 학습할 때 그림을 한 픽셀씩 밀거나 더 오래 학습해 보세요. 99 %를 얼마나 넘을 수 있을까요? **다음:** [CIFAR-10](04_cifar10.ipynb)
