# %% [markdown] lang="en"
# # CPU against GPU
#
# A GPU is not always faster. We multiply matrices of growing size, and see where it begins to pay.

# %% [markdown] lang="ko"
# # CPU와 GPU 비교
#
# GPU가 늘 빠른 것은 아니에요. 점점 큰 행렬을 곱하면서 어디부터 이득인지 봅시다.

# %%
import statistics
import time

import matplotlib.pyplot as plt

from labs_extension.lesson import QUICK, check, devices, start, words

start()

import keras
from keras import ops

# %% [markdown] lang="en"
# ## How to time it
#
# The first call is slow, since something is compiled: we leave it out. And a call may return *before* the result is there. So we read a number of the result, which has to wait for it.

# %% [markdown] lang="ko"
# ## 시간을 재는 법
#
# 첫 호출은 컴파일 때문에 느리니 빼요. 그리고 결과가 나오기 *전에* 호출이 끝날 수도 있어요. 그래서 결과에서 숫자 하나를 읽어요. 그러면 기다릴 수밖에 없거든요.


# %%
def seconds(size, device, repetitions=5):
    with keras.device(device):
        a = keras.random.normal((size, size), seed=0)
        times = []
        for _ in range(repetitions + 1):
            begun = time.perf_counter()
            float(ops.matmul(a, a)[0, 0])
            times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


# %% [markdown] lang="en"
# ## The work in numbers
#
# Multiplying two n × n matrices takes 2n³ operations. Twice the size is eight times the work.

# %% [markdown] lang="ko"
# ## 계산량
#
# n × n 행렬 둘을 곱하려면 2n³번 계산해야 해요. 크기가 두 배면 일은 여덟 배예요.

# %%
SIZES = [32, 64, 128, 256] if QUICK else [32, 64, 128, 256, 512, 1024, 2048]
rates = {
    device: [2 * size**3 / seconds(size, device) / 1e9 for size in SIZES] for device in devices()
}

# %%
figure, axes = plt.subplots()
for device, values in rates.items():
    axes.loglog(SIZES, values, "o-", label=device)
axes.set_xlabel(words(en="size n", ko="크기 n"))
axes.set_ylabel(words(en="billion operations per second", ko="초당 10억 번 계산"))
axes.set_title(words(en="Large matrices are worth the GPU", ko="행렬이 커야 GPU가 이득이에요"))
axes.legend()
plt.show()

# %%
check(
    rates["cpu:0"][-1] > rates["cpu:0"][0],
    en="Large matrices are computed at a higher rate than small ones: each call has a price of its own.",
    ko="큰 행렬일수록 초당 계산이 많아요. 호출할 때마다 드는 기본 비용이 있기 때문이에요.",
)

# %% [markdown] lang="en"
# ## How many times faster?
#
# Without a GPU there is no ratio. We do not say 1: nothing was compared.

# %% [markdown] lang="ko"
# ## 몇 배 빠른가요?
#
# GPU가 없으면 비율도 없어요. 1이라고 하지 않아요. 비교한 것이 없으니까요.

# %%
if "gpu:0" in rates:
    ratio = rates["gpu:0"][-1] / rates["cpu:0"][-1]
    print(
        words(
            en=f"At size {SIZES[-1]} the GPU is {ratio:.1f} times as fast.",
            ko=f"크기 {SIZES[-1]}에서 GPU가 {ratio:.1f}배 빨라요.",
        )
    )
else:
    print(words(en="No GPU here: no ratio.", ko="GPU가 없어서 비율도 없어요."))

# %% [markdown] lang="en"
# ## The whole benchmark
#
# In a terminal, `gpuspawner-benchmark` measures much more, and says how much of what the chip can do was reached.
#
# **Next:** [MNIST](03_mnist.ipynb)

# %% [markdown] lang="ko"
# ## 전체 벤치마크
#
# 터미널에서 `gpuspawner-benchmark`를 실행하면 훨씬 많은 것을 재고, 칩이 낼 수 있는 성능의 몇 %에 이르렀는지도 알려 줘요.
#
# **다음:** [MNIST](03_mnist.ipynb)
