import pytest

from condetr.core.errors import UsageError
from condetr.evaluation.measure import measure
from tests.unit.evaluation.scored import distorted


def test_a_report_as_a_data_frame(scenes):
    report = measure(scenes, distorted(scenes))
    frame = report.to_dataframe().set_index("class")
    assert list(frame.index) == list(report.per_class)
    assert frame.loc["7", "ap"] == report.per_class["7"].ap
    assert frame.loc["7", "ece"] == report.calibration.by_class["7"].ece
    assert "ece" not in measure(scenes, distorted(scenes), metrics=["per-class"]).to_dataframe()
    with pytest.raises(UsageError, match="per-class was not measured"):
        measure(scenes, distorted(scenes), metrics=["ap"]).to_dataframe()
