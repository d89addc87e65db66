# %% [markdown] lang="en"
# # Start here
#
# This is your own machine. Run a cell with **Shift+Enter**, read what it says, and go on to the next.

# %% [markdown] lang="ko"
# # 여기서 시작하세요
#
# 지금 보고 있는 것은 여러분만의 컴퓨터예요. **Shift+Enter**로 셀을 실행하고, 결과를 읽고, 다음 셀로 넘어가세요.

# %%
from pathlib import Path

from labs_extension.lesson import check, is_kept, machine, session, words

# %% [markdown] lang="en"
# ## Your machine
#
# It is a computer in a data centre, and only you are on it.

# %% [markdown] lang="ko"
# ## 내 컴퓨터
#
# 데이터 센터에 있는 컴퓨터이고, 여러분 혼자 씁니다.

# %%
mine = machine()
mine

# %%
check(
    mine["processors"] >= 1 and mine["home_free_gib"] > 0.1,
    en="There is a processor, and room in your home.",
    ko="프로세서가 있고, 홈 폴더에 빈자리가 있어요.",
)

# %% [markdown] lang="en"
# ## Your credit
#
# While the machine runs it costs credit, by the second, also when you only look at it. When your credit is used up the machine is stopped; you are warned before.

# %% [markdown] lang="ko"
# ## 내 크레딧
#
# 컴퓨터가 켜져 있는 동안은 보고만 있어도 초 단위로 크레딧이 줄어요. 크레딧을 다 쓰면 컴퓨터가 꺼지고, 그 전에 미리 알려 드려요.

# %%
said = session()
if said is None:
    print(
        words(
            en="No hub speaks to this notebook, so nothing is charged.",
            ko="이 노트북은 허브와 연결되어 있지 않아서 요금이 들지 않아요.",
        )
    )
else:
    balance = said.get("balance") or {"micros": 0, "unit": "?"}
    print(
        words(en="Your credit, as of a moment ago:", ko="조금 전 기준 내 크레딧:"),
        f"{balance['micros'] / 1_000_000:,.2f} {balance['unit']}",
    )
    print(
        words(en="The machine stops at:", ko="컴퓨터가 꺼지는 시각:"), said.get("deadline") or "–"
    )

# %% [markdown] lang="en"
# ## What is kept
#
# Your home folder is on a disk of its own, which is kept when the machine is stopped. So are packages that you install with `%pip install`. Everything else is gone then, `/tmp` too.

# %% [markdown] lang="ko"
# ## 남는 것과 사라지는 것
#
# 홈 폴더는 따로 있는 디스크에 있어서, 컴퓨터를 꺼도 남아요. `%pip install`로 설치한 패키지도 남아요. 나머지는 모두 사라져요. `/tmp`도 마찬가지예요.

# %%
for place in (Path.home() / "my-results.csv", Path("/tmp/my-results.csv")):
    kept = is_kept(place)
    print(
        f"{place}: {words(en='is kept', ko='남아요') if kept else words(en='is GONE after a stop', ko='끄면 사라져요!')}"
    )

# %%
check(
    is_kept(Path.home() / "my-results.csv") and not is_kept("/dev/shm/my-results.csv"),
    en="What you save in your home is there next time.",
    ko="홈 폴더에 저장하면 다음에도 그대로 있어요.",
)

# %% [markdown] lang="en"
# ## The lessons are yours
#
# Change them as you like. When the course is updated, what you have changed stays as it is, and the new version is put beside it. The panel **My machine**, the chip on the left, says what is new.

# %% [markdown] lang="ko"
# ## 노트북은 여러분 거예요
#
# 마음껏 고쳐도 돼요. 강의 자료가 업데이트되어도 여러분이 고친 노트북은 그대로 있고, 새 노트북이 그 옆에 생겨요. 왼쪽에 칩 모양으로 있는 **내 머신**을 누르면 무엇이 새로 들어왔는지 보여요.

# %% [markdown] lang="en"
# ## Stop when you are done
#
# **File → Stop my machine**, or the button in the panel **My machine**. What is open is saved first. When you only close the browser, the machine goes on for a while, and costs. To let a training finish without you, press **Go on until my work is done**.

# %% [markdown] lang="ko"
# ## 다 썼으면 끄기
#
# **파일 → 내 머신 중지**를 누르거나 **내 머신** 패널의 버튼을 누르세요. 열려 있는 문서를 먼저 저장해요. 브라우저만 닫으면 컴퓨터가 한동안 더 켜져 있고 크레딧도 줄어요. 자리를 비운 사이에 학습을 끝까지 돌리려면 **작업이 끝날 때까지 계속**을 누르세요.

# %% [markdown] lang="en"
# **Next:** [Is there a GPU?](01_is_there_a_gpu.ipynb)

# %% [markdown] lang="ko"
# **다음:** [GPU가 있나요?](01_is_there_a_gpu.ipynb)
