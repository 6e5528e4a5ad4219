"""PySpark gives what every other engine gives: the same cases, here for one JVM that stays warm."""

import pytest
import test_baseline
import test_cohorts
import test_droppoints
import test_flows
import test_grading
import test_progression
import test_workbook
from made import SPARK

CASES = [
    test_flows.test_any_dataframe_gives_the_same_flows,
    test_flows.test_records_that_know_of_no_moves_have_flows,
    test_baseline.test_every_engine_gives_the_same_baseline,
    test_workbook.test_every_engine_gives_the_same_views,
]
#: Spark plans and compiles these for longer than all others together.
LONG = [
    test_cohorts.test_every_engine_gives_the_same_groups,
    test_grading.test_every_engine_gives_the_same_results,
    test_droppoints.test_any_dataframe_gives_the_same_drop_points,
    test_progression.test_any_dataframe_gives_the_same_progression,
]


@pytest.mark.skipif(not SPARK, reason="needs Java and pyspark")
@pytest.mark.parametrize(
    "case",
    [*CASES, *(pytest.param(case, marks=pytest.mark.slow) for case in LONG)],
    ids=lambda case: f"{case.__module__}-{case.__name__}",
)
def test_spark_gives_the_same(case):
    case("pyspark")
