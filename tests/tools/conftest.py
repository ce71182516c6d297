import pandas as pd
import pytest

from iris_core.tools.scores.scores import load_scores


@pytest.fixture(scope="session")
def scores() -> pd.DataFrame:
    """The published ones."""
    return load_scores()
