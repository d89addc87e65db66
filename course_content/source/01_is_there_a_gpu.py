# %% [markdown] lang="en"
# # Is there a GPU?
#
# Three things must be right: the machine has a GPU, its driver runs, and your framework can use it. We ask one after another.

# %% [markdown] lang="ko"
# # GPU가 있나요?
#
# 세 가지가 맞아야 해요. 컴퓨터에 GPU가 있고, 드라이버가 돌고 있고, 프레임워크가 그것을 쓸 수 있어야 해요. 하나씩 물어봅시다.

# %%
import matplotlib.pyplot as plt

from labs_extension.lesson import check, devices, gpu_report, start, words

backend = start()

# %% [markdown] lang="en"
# ## The driver
#
# NVIDIA's driver knows all GPUs. In a terminal `nvidia-smi` shows the same.

# %% [markdown] lang="ko"
# ## 드라이버
#
# NVIDIA 드라이버는 모든 GPU를 알고 있어요. 터미널에서 `nvidia-smi`를 실행해도 같은 것을 볼 수 있어요.

# %%
report = gpu_report()
print(report["status"], "–", report["sentence"])

# %%
for gpu in report["devices"]:
    memory = gpu["memory_total_bytes"]
    print(gpu["name"], f"{memory / 2**30:.0f} GiB" if memory else "?")

# %%
check(
    bool(report["devices"]) == (report["status"] == "ok"),
    en="There is a GPU if, and only if, the driver says so.",
    ko="드라이버가 있다고 할 때, 그리고 그때만 GPU가 있어요.",
)

# %% [markdown] lang="en"
# ## The framework
#
# Keras computes with a *backend*: JAX, PyTorch or TensorFlow. Here are the places where it can compute now.

# %% [markdown] lang="ko"
# ## 프레임워크
#
# Keras는 *백엔드*(JAX, PyTorch, TensorFlow)로 계산해요. 지금 계산할 수 있는 곳은 다음과 같아요.

# %%
places = devices()
print(backend, places)

# %%
check("cpu:0" in places, en="The CPU is always there.", ko="CPU는 언제나 있어요.")

# %% [markdown] lang="en"
# If the driver has a GPU and this list has none, restart the kernel. If that does not help, your framework was installed without GPU support.

# %% [markdown] lang="ko"
# 드라이버에는 GPU가 있는데 이 목록에 없다면 커널을 다시 시작하세요. 그래도 없으면 프레임워크가 GPU 지원 없이 설치된 거예요.

# %% [markdown] lang="en"
# ## Its memory
#
# The GPU has memory of its own, and a training must fit into it. If it is full, make the batches smaller, or shut down other notebooks: each keeps what it took.

# %% [markdown] lang="ko"
# ## GPU 메모리
#
# GPU에는 따로 메모리가 있고, 학습은 그 안에 들어가야 해요. 꽉 찼다면 배치를 줄이거나 다른 노트북을 끄세요. 노트북마다 가져간 메모리를 계속 쥐고 있어요.

# %%
used = {
    gpu["name"]: (gpu["memory_used_bytes"], gpu["memory_total_bytes"]) for gpu in report["devices"]
}
figure, axes = plt.subplots(figsize=(6, 1.5))
for name, (taken, total) in used.items():
    axes.barh(name, (total or 0) / 2**30, color="lightgrey")
    axes.barh(name, (taken or 0) / 2**30, color="seagreen")
axes.set_title(words(en="GPU memory in use (GiB)", ko="사용 중인 GPU 메모리 (GiB)"))
if not used:
    axes.text(
        0.5,
        0.5,
        words(en="no GPU here", ko="여기에는 GPU가 없어요"),
        ha="center",
        transform=axes.transAxes,
    )
plt.show()

# %% [markdown] lang="en"
# **No GPU?** Every notebook of this course works without one, only slower. **Next:** [CPU against GPU](02_cpu_against_gpu.ipynb)

# %% [markdown] lang="ko"
# **GPU가 없나요?** 이 강의의 모든 노트북은 GPU 없이도 돌아가요. 조금 느릴 뿐이에요. **다음:** [CPU와 GPU 비교](02_cpu_against_gpu.ipynb)
