# %% [markdown] lang="en"
# # CIFAR-10: pictures in colour
#
# Aeroplanes, cats, ships: ten kinds of things, 32 × 32 pixels, in colour. Harder than digits.

# %% [markdown] lang="ko"
# # CIFAR-10: 컬러 사진
#
# 비행기, 고양이, 배 같은 열 가지 사물을 32 × 32 픽셀 컬러 사진으로 봐요. 숫자보다 어려워요.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from labs_extension.data import CLASSES, SHAPES, DataMissing, load_cifar10, make_shapes
from labs_extension.lesson import QUICK, check, devices, start, words

start(seed=2)

import keras
from keras import layers

# %% [markdown] lang="en"
# ## The data
#
# Without CIFAR-10 we draw pictures of our own: ten shapes of all colours, also 32 × 32. The code is the same; the accuracy is that of shapes, not of CIFAR-10.

# %% [markdown] lang="ko"
# ## 데이터
#
# CIFAR-10이 없으면 직접 그려요. 갖가지 색의 도형 열 가지이고 역시 32 × 32예요. 코드는 같지만, 정확도는 CIFAR-10이 아니라 도형의 것이에요.

# %%
names = CLASSES
try:
    if QUICK:
        raise DataMissing("CIFAR-10", [], [], "")
    (x, y), (x_test, y_test) = load_cifar10()
except DataMissing as error:
    if not QUICK:
        print(error)
    names = SHAPES
    (x, y), (x_test, y_test) = (
        make_shapes(1920 if QUICK else 19200, seed=0),
        make_shapes(512, seed=1),
    )
is_cifar = names is CLASSES
print(
    "CIFAR-10" if is_cifar else words(en="shapes, not CIFAR-10", ko="CIFAR-10이 아닌 도형"),
    x.shape,
    x_test.shape,
)

# %%
figure, axes = plt.subplots(2, 8, figsize=(9, 2.8))
for place, image, label in zip(axes.flat, x, y):
    place.imshow(image)
    place.set_title(names[label], fontsize=9)
    place.axis("off")
plt.show()

# %%
check(
    x.shape[1:] == (32, 32, 3) and x.dtype == np.uint8,
    en="The pictures have three colours, as bytes.",
    ko="사진은 세 가지 색으로 되어 있고, 값은 바이트예요.",
)

# %% [markdown] lang="en"
# ## More from the same pictures
#
# A cat looking left is a cat. So we flip and shift the pictures while training: the net never sees the same one twice. Only while training: the test stays as it is.

# %% [markdown] lang="ko"
# ## 같은 사진을 더 쓰기
#
# 왼쪽을 보는 고양이도 고양이예요. 그래서 학습할 때 사진을 뒤집고 밀어요. 신경망은 같은 사진을 두 번 보지 않게 돼요. 학습할 때만이에요. 시험 사진은 그대로 둡니다.

# %%
varied = keras.Sequential(
    [layers.RandomFlip("horizontal", seed=1), layers.RandomTranslation(0.1, 0.1, seed=2)]
)
same = np.repeat(x[:1].astype("float32"), 6, axis=0)
figure, axes = plt.subplots(1, 6, figsize=(8, 1.5))
for place, image in zip(axes, np.asarray(varied(same, training=True))):
    place.imshow(image / 255)
    place.axis("off")
plt.show()

# %%
check(
    np.allclose(np.asarray(varied(same, training=False)), same),
    en="When it does not train, it changes nothing.",
    ko="학습 중이 아닐 때는 아무것도 바꾸지 않아요.",
)

# %% [markdown] lang="en"
# ## Half the bits
#
# GPUs since the T4 compute with 16 bits several times as fast as with 32. Keras does that when we ask, and keeps the weights in 32. On a CPU it is slower, so there we leave it.

# %% [markdown] lang="ko"
# ## 비트를 절반으로
#
# T4 이후의 GPU는 16비트 계산이 32비트보다 몇 배 빨라요. 부탁하면 Keras가 그렇게 하고, 가중치는 32비트로 보관해요. CPU에서는 오히려 느려서 그대로 둡니다.

# %%
has_gpu = "gpu:0" in devices()
keras.config.set_dtype_policy("mixed_float16" if has_gpu else "float32")
print(keras.config.dtype_policy().name)

# %%
WIDTHS, EPOCHS, BATCH = ((16, 32, 64), 10, 64) if QUICK else ((64, 128, 256), 10, 128)

inputs = keras.Input((32, 32, 3))
hidden = layers.Rescaling(1 / 127.5, -1)(inputs if QUICK else varied(inputs))
for width in WIDTHS:
    # Steps of two make the picture half as large; in a hurry from the first layer on.
    hidden = layers.Conv2D(width, 3, padding="same", strides=2 if QUICK else 1, use_bias=False)(
        hidden
    )
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(hidden))
    hidden = hidden if QUICK else layers.MaxPooling2D()(hidden)
# The last layer in 32 bits: its numbers are compared closely.
outputs = layers.Dense(10, dtype="float32")(layers.GlobalMaxPooling2D()(hidden))
model = keras.Model(inputs, outputs)
model.compile(
    keras.optimizers.Adam(5e-3 if QUICK else 2e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)

# %%
begun = time.perf_counter()
history = model.fit(
    x,
    y,
    batch_size=BATCH,
    epochs=EPOCHS,
    validation_data=(x_test, y_test),
    verbose=0 if QUICK else 2,
)
spent = time.perf_counter() - begun
print(words(en="pictures per second:", ko="초당 사진 수:"), f"{len(x) * EPOCHS / spent:,.0f}")

# %% [markdown] lang="en"
# ## What it takes for what
#
# Each row is a kind; the brighter the square, the more often it was called so. The diagonal is right.

# %% [markdown] lang="ko"
# ## 무엇을 무엇으로 보았나요
#
# 가로줄 하나가 한 종류예요. 밝을수록 그렇게 답한 적이 많아요. 대각선이 정답이에요.

# %%
said = model.predict(x_test, verbose=0).argmax(axis=1)
table = np.zeros((10, 10))
np.add.at(table, (y_test, said), 1)
figure, axes = plt.subplots(figsize=(5, 5))
axes.imshow(table)
axes.set_xticks(range(10), names, rotation=90)
axes.set_yticks(range(10), names)
axes.set_xlabel(words(en="what the net said", ko="신경망의 답"))
axes.set_ylabel(words(en="what it is", ko="정답"))
plt.show()

# %%
accuracy = float(np.mean(said == y_test))
target = 0.7 if is_cifar else 0.2
check(
    accuracy >= target,
    en=f"{accuracy:.0%} are right, at least {target:.0%}. By chance it would be 10 %.",
    ko=f"{accuracy:.0%}를 맞혔어요. 목표는 {target:.0%}이고, 찍으면 10 %예요.",
)

# %% [markdown] lang="en"
# **Try:** more epochs, wider layers. How many pictures per second does your machine learn from? **Next:** [Three backends](05_three_backends.ipynb)

# %% [markdown] lang="ko"
# **해 보기:** 에폭을 늘리거나 층을 넓혀 보세요. 여러분의 컴퓨터는 1초에 사진 몇 장을 배우나요? **다음:** [백엔드 세 가지](05_three_backends.ipynb)
