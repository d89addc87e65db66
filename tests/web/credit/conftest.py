from __future__ import annotations

import pytest

from tests.web.credit.school import school


@pytest.fixture
async def there(tmp_path, monkeypatch):
    async with school(tmp_path, monkeypatch) as one:
        yield one
