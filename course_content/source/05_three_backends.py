# %% [markdown] lang="en"
# # One code, three backends
#
# Keras writes the net; JAX, PyTorch or TensorFlow computes it. The same code, the same weights, the same answers? We try.

# %% [markdown] lang="ko"
# # 코드 하나, 백엔드 셋
#
# 신경망은 Keras로 쓰고, 계산은 JAX, PyTorch, TensorFlow가 해요. 코드가 같고 가중치가 같으면 답도 같을까요? 해 봅시다.

# %%
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from labs_extension.data import load_digits
from labs_extension.lesson import QUICK, check, start, words

mine = start(seed=3)

import keras
from keras import layers

folder = Path(tempfile.mkdtemp())

# %% [markdown] lang="en"
# ## A net, trained here

# %% [markdown] lang="ko"
# ## 여기서 학습한 신경망

# %%
(x, y), (x_test, y_test) = load_digits()
x, x_test = (images.reshape(len(images), 64).astype("float32") / 16 for images in (x, x_test))
model = keras.Sequential(
    [keras.Input((64,)), layers.Dense(64, activation="relu"), layers.Dense(10)]
)
model.compile(
    keras.optimizers.Adam(1e-2),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x, y, batch_size=64, epochs=5 if QUICK else 20, verbose=0)
model.save(folder / "model.keras")
answers = model.predict(x_test, verbose=0)
accuracy = float(np.mean(answers.argmax(axis=1) == y_test))
print(mine, f"{accuracy:.1%}")

# %%
check(accuracy > 0.85, en="It has learned to read digits.", ko="숫자 읽는 법을 배웠어요.")

# %% [markdown] lang="en"
# ## The others
#
# A backend is chosen before Keras is imported, and never again. So each gets a process of its own, which loads the same file.

# %% [markdown] lang="ko"
# ## 다른 백엔드들
#
# 백엔드는 Keras를 불러오기 전에 한 번만 정할 수 있어요. 그래서 백엔드마다 프로세스를 따로 띄우고, 같은 파일을 읽게 해요.

# %%
PROGRAM = """
import json, sys, time
import keras, numpy as np
x = np.load(sys.argv[1] + "/x.npy")
model = keras.models.load_model(sys.argv[1] + "/model.keras")
model.predict(x, verbose=0)
begun = time.perf_counter()
answers = model.predict(x, verbose=0)
print(json.dumps([time.perf_counter() - begun, answers.tolist()]))
"""
np.save(folder / "x.npy", x_test)
results = {}
for backend in ("jax", "torch", "tensorflow"):
    if find_spec(backend) is None:
        print(backend, words(en="is not installed here", ko="는 여기에 설치되어 있지 않아요"))
        continue
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    spent, told = json.loads(done.stdout.splitlines()[-1])
    results[backend] = (spent, float(np.abs(np.array(told) - answers).max()))

# %%
figure, axes = plt.subplots(figsize=(5, 2))
axes.barh(list(results), [spent * 1000 for spent, _ in results.values()])
axes.set_xlabel(words(en="milliseconds for the whole test", ko="시험 전체에 걸린 밀리초"))
plt.show()
for backend, (_, furthest) in results.items():
    print(backend, words(en="differs by at most", ko="의 가장 큰 차이"), f"{furthest:.1e}")

# %%
check(
    results and all(furthest < 1e-3 for _, furthest in results.values()),
    en="Every backend that is here gives the same answers.",
    ko="여기 있는 모든 백엔드가 같은 답을 내요.",
)

# %% [markdown] lang="en"
# ## And without Keras: ONNX
#
# ONNX is a file format that many programs can run: on a phone, in a browser, in C++. A model is a list of operations and their weights, so let us write it down ourselves.

# %% [markdown] lang="ko"
# ## Keras 없이도: ONNX
#
# ONNX는 휴대전화, 브라우저, C++ 등 여러 곳에서 실행할 수 있는 파일 형식이에요. 모델은 연산과 가중치의 목록이에요. 직접 적어 봅시다.

# %%
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

weights = {
    name: np.asarray(value, "float32")
    for name, value in zip(("w1", "b1", "w2", "b2"), model.get_weights())
}
graph = helper.make_graph(
    [
        helper.make_node("Gemm", ["pixels", "w1", "b1"], ["before"]),
        helper.make_node("Relu", ["before"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["scores"]),
    ],
    "digits",
    [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 64])],
    [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])],
    [numpy_helper.from_array(value, name) for name, value in weights.items()],
)
written = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(written)
onnx.save(written, folder / "model.onnx")
print((folder / "model.onnx").stat().st_size, words(en="bytes", ko="바이트"))

# %%
runner = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
(scores,) = runner.run(None, {"pixels": x_test})
check(
    np.allclose(scores, answers, atol=1e-3),
    en="Without Keras, the same answers.",
    ko="Keras 없이도 답이 같아요.",
)

# %% [markdown] lang="en"
# For large nets there is `model.export("model.onnx", format="onnx")`, which writes the list for you (with the TensorFlow and PyTorch backends). **Next:** [Learning from few pictures](06_transfer_learning.ipynb)

# %% [markdown] lang="ko"
# 큰 신경망은 `model.export("model.onnx", format="onnx")`가 목록을 대신 적어 줘요(TensorFlow와 PyTorch 백엔드). **다음:** [적은 사진으로 배우기](06_transfer_learning.ipynb)
