"""Coverage of 95 % intervals: methods by number of schools and by how schools differ.

Run: python benchmarks/coverage.py [--replications 500] [--seed 2026] [--out docs/coverage.md]
Each replication draws new schools: the estimand is *schools like these*. Pupils, schools and outcomes come from numpy,
not from the simulator of the package. The true values are those of 4,000 schools drawn in the same way.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from nbanalytics.analysis.droppoints import life_table
from nbanalytics.analysis.droppoints.attrition import Followed, staying_weights
from nbanalytics.analysis.growth.percentiles import median_interval
from nbanalytics.clustered import robust_table
from nbanalytics.errors import EstimationWarning
from nbanalytics.intervals import wilson
from nbanalytics.risk import at_capacity, audit, compare_models, measures, value_of_prediction
from nbanalytics.risk.evaluation.validation import Validation
from nbanalytics.schools import LIKE, difference_over_schools, over_schools, ratio_over_schools, share_over_schools

#: Number of schools, and pupils in each.
SIZES = {3: 100, 4: 75, 6: 50, 10: 40, 20: 40}
#: Spread of schools on the scale of log odds, and of each school from cohort to cohort.
WORLDS = {"alike": (0.0, 0.0), "sd .5": (0.5, 0.0), "sd .5, shocks .3": (0.5, 0.3)}
THRESHOLD, CAPACITY = 0.2, 0.2
#: The range asked for.
WANTED = (0.92, 0.97)
Estimate = tuple[str, float, float, float]


def chance(logit: np.ndarray) -> np.ndarray:
    """Turn log odds into chances."""
    return np.asarray(1 / (1 + np.exp(-logit)))


def scored_pupils(schools: int, pupils: int, world: tuple[float, float], rng: np.random.Generator) -> pd.DataFrame:
    """Draw pupils with an outcome, two scores that do not know the school, a group, and a feature of the school."""
    school = np.repeat(np.arange(schools), pupils)
    feature = rng.normal(size=schools)
    effect = np.hypot(*world) * rng.normal(size=schools)
    x = rng.normal(size=len(school))
    outcome = rng.random(len(school)) < chance(x - 1.4 + effect[school])
    return pd.DataFrame(
        {
            "school": school,
            "y": outcome.astype(float),
            "x": x,
            "feature": feature[school],
            "p": chance(x - 1.4),
            "worse": chance(0.7 * x + 0.7 * rng.normal(size=len(school)) - 1.4),
            "sex": np.where(rng.random(len(school)) < 0.5, "girl", "boy"),
        }
    )


def eligible_pupils(
    schools: int, pupils: int, world: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw who is eligible in eight terms, lower from the third on, in the same schools for two cohorts."""
    school = np.repeat(np.arange(schools), pupils)
    lasting = world[0] * rng.normal(size=schools)
    cohorts = []
    for _ in range(2):
        effect = lasting + world[1] * rng.normal(size=schools)
        noise = rng.logistic(size=(len(school), 8)) * 0.6
        level = 2.2 + effect[school][:, None] + rng.normal(size=(len(school), 1)) + noise
        level[:, 2] -= 0.8
        cohorts.append(level > 0)
    return school, np.array(cohorts)


def of_scores(pupils: pd.DataFrame) -> Iterator[Estimate]:
    """Estimates with intervals of scores."""
    y, school = pupils["y"], pupils["school"]
    table = measures(y, pupils["p"], threshold=THRESHOLD, clusters=school).set_index("measure")
    for name in ("auc", "brier", "calibration_in_the_large", "tpr", "ppv", "flagged_share"):
        yield f"measures: {name}", *table.loc[name, ["value", "low", "high"]]
    compared = compare_models(y, {"p": pupils["p"], "worse": pupils["worse"]}, clusters=school)
    for row in compared[(compared["model"] == "worse") & compared["measure"].isin(["auc", "brier"])].itertuples():
        yield f"compare: {row.measure}", row.difference, row.difference_low, row.difference_high
    placed = at_capacity(y, pupils["p"], [CAPACITY], clusters=school).set_index("measure")
    for name in ("precision", "recall"):
        yield f"capacity: {name}", *placed.loc[name, ["value", "low", "high"]]


def of_validation(pupils: pd.DataFrame) -> Iterator[Estimate]:
    """Estimates with intervals of an audit, and of the value of a prediction."""
    names = ["p", "worse"]
    keys = {"student_id": np.arange(len(pupils)), "school_id": "S" + pupils["school"].astype(str), "y": pupils["y"]}
    rows = pd.DataFrame(keys).assign(cohort=2021, fold="2021", at="6VT")
    both = pd.concat([rows.assign(model=name, p=pupils[name]) for name in names], ignore_index=True)
    found = Validation(both, pd.DataFrame(), {"models": tuple(names), "at": ("6VT",), "outcome": "lost"})
    sexes = rows[["student_id"]].assign(sex=pupils["sex"])
    table = audit(found, sexes, by=["sex"], thresholds=[THRESHOLD], models=["p"]).table
    for row in table[(table["group"] == "girl") & table["measure"].isin(["tpr", "fpr", "brier"])].itertuples():
        yield f"audit, no difference: {row.measure}", row.difference, row.difference_low, row.difference_high
    value = value_of_prediction(found, "p", ["worse"], [CAPACITY]).table.set_index("strategy").loc["worse"]
    yield "value: more for 100 places", value["more"], value["more_low"], value["more_high"]


def of_models(pupils: pd.DataFrame) -> Iterator[Estimate]:
    """Coefficients of a logit, of a pupil's feature and of a school's that does nothing."""
    design = pupils[["x", "feature"]].assign(one=1.0)
    for kind in ("CR2", "CR3"):
        table = robust_table(design, pupils["y"], pupils["school"], "logit", kind).set_index("term")  # type: ignore[arg-type]
        for term, name in (("x", "pupil's"), ("feature", "school's")):
            yield f"logit, {name} covariate: {kind}", *table.loc[term, ["estimate", "low", "high"]]


def of_terms(school: np.ndarray, cohorts: np.ndarray) -> Iterator[Estimate]:
    """Shares, chances from term to term, their contrast, and the change between two cohorts."""
    eligible, schools = cohorts[0], int(school.max()) + 1

    def count(rows: np.ndarray) -> np.ndarray:
        return np.bincount(school, rows, schools)

    everybody = count(np.ones(len(school)))
    last = [count(cohort[:, -1]) for cohort in cohorts]
    yield "share eligible", last[0].sum() / everybody.sum(), *share_over_schools(last[0], everybody)
    change = last[1].sum() / everybody.sum() - last[0].sum() / everybody.sum()
    yield "change between cohorts", change, *difference_over_schools((last[1], everybody), (last[0], everybody))
    at_risk = eligible[:, :-1]
    lost = at_risk & ~eligible[:, 1:]
    step, others = (
        (count(lost[:, 1]), count(at_risk[:, 1])),
        [count(counts.sum(axis=1) - counts[:, 1]) for counts in (lost, at_risk)],
    )
    other = (others[0], others[1])
    yield "chance to lose, 6VT to 7HT", step[0].sum() / step[1].sum(), *share_over_schools(*step)
    low = ~eligible[:, 1]
    back = (count(low & eligible[:, 2]), count(low))
    yield "chance to regain, 6VT to 7HT", back[0].sum() / max(back[1].sum(), 1), *share_over_schools(*back)
    apart = step[0].sum() / step[1].sum() - other[0].sum() / other[1].sum()
    yield "transition contrast: difference", apart, *difference_over_schools(step, other)
    yield "transition contrast: ratio", *ratio_over_schools(step, other)


def of_courses(school: np.ndarray, cohorts: np.ndarray) -> Iterator[Estimate]:
    """Life table, recovery, the follow-up of the same pupils, and the median of growth percentiles."""
    eligible = cohorts[0]
    start = eligible[:, 1]
    lost = ~eligible[start][:, 2:]
    duration, event = np.where(lost.any(axis=1), lost.argmax(axis=1) + 1, lost.shape[1]), lost.any(axis=1)
    table = life_table(duration, event, school[start], estimand=LIKE)
    first, last = table.iloc[0], table.iloc[-1]
    yield "life table: hazard, 7HT", first["hazard"], first["hazard_low"], first["hazard_high"]
    yield "life table: survival, 9VT", last["survival"], last["low"], last["high"]
    later = np.arange(lost.shape[1]) >= duration[:, None]
    again = event & (~lost & later).any(axis=1)
    counts = [np.bincount(school[start], who, int(school.max()) + 1) for who in (again, event)]
    yield "recovery", again.sum() / event.sum(), *share_over_schools(*counts)
    change = eligible[:, -1].astype(float) - eligible[:, 1]
    row = over_schools(lambda w: {"change": w @ change / w.sum(axis=1)}, school, estimand=LIKE).iloc[0]
    yield "follow-up of the same pupils", *row[["value", "low", "high"]]


def of_growth(pupils: pd.DataFrame, world: tuple[float, float], rng: np.random.Generator) -> Iterator[Estimate]:
    """Median of growth percentiles that are spread evenly over all schools."""
    school, spread = pupils["school"].to_numpy(), float(np.hypot(*world))
    grown = rng.normal(size=len(school)) + spread * rng.normal(size=int(school.max()) + 1)[school]
    percentiles = np.clip(np.ceil(100 * norm.cdf(grown / np.sqrt(1 + spread**2))), 1, 99)
    yield "growth: median percentile", float(np.median(percentiles)), *median_interval(percentiles, school)


def of_those_who_stay(pupils: pd.DataFrame, rng: np.random.Generator) -> Iterator[Estimate]:
    """Share of all with the outcome, by weights of those who stay; who has low values leaves more often."""
    known, y = pupils[["x"]].to_numpy(), pupils["y"].to_numpy()
    stayed = (rng.random(len(y)) < chance(1.5 + known[:, 0])).astype(float)
    seen = Followed(stayed, stayed * y, 1 - stayed)

    def weighted(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"share": seen.shares(weights, staying_weights(known, stayed, weights))["weighted"]}

    row = over_schools(weighted, pupils["school"], scale="logit", estimand=LIKE).iloc[0]
    yield "attrition: weighted share", *row[["value", "low", "high"]]


def estimates(
    schools: int, pupils: int, world: tuple[float, float], rng: np.random.Generator, kinds: str = "svmta"
) -> list[Estimate]:
    """All estimates of one replication: scores (s), validation (v), models (m), terms (t), attrition (a)."""
    found: list[Estimate] = []
    # Each kind draws from a stream of its own, so that it gives the same alone and with the others.
    of_pupils, of_cohorts, of_percentiles = rng.spawn(3)
    scored = scored_pupils(schools, pupils, world, of_pupils)
    makers: dict[str, Callable[[pd.DataFrame], Iterator[Estimate]]] = {
        "s": of_scores,
        "v": of_validation,
        "m": of_models,
    }
    for kind, maker in makers.items():
        if kind in kinds:
            found += maker(scored)
    if "t" in kinds:
        courses = eligible_pupils(schools, pupils, world, of_cohorts)
        found += [*of_terms(*courses), *of_courses(*courses), *of_growth(scored, world, of_percentiles)]
    if "a" in kinds:
        found += of_those_who_stay(scored, of_pupils.spawn(1)[0])
    return found


def truths(world: tuple[float, float], seed: int) -> dict[str, float]:
    """Values in 4,000 schools of 40 pupils, by the same functions; what is planted is known."""
    rng = np.random.default_rng([seed, 1])
    scored = scored_pupils(4000, 40, world, rng)
    found: dict[str, float] = {}
    whole = scored.assign(school=np.arange(len(scored)) % 3)
    for maker in (of_scores, of_validation):
        found |= {name: value for name, value, *_ in maker(whole)}
    school, cohorts = eligible_pupils(4000, 40, world, rng)
    found |= {name: value for maker in (of_terms, of_courses) for name, value, *_ in maker(school % 3, cohorts)}
    slope = robust_table(scored[["x", "feature"]].assign(one=1.0), scored["y"], whole["school"], "logit", "CR3")
    found |= {f"logit, pupil's covariate: {kind}": float(slope["estimate"].iloc[0]) for kind in ("CR2", "CR3")}
    found |= {f"logit, school's covariate: {kind}": 0.0 for kind in ("CR2", "CR3")}
    found |= {name: 0.0 for name in found if name.startswith("audit")} | {"change between cohorts": 0.0}
    found |= {"growth: median percentile": 50.0, "attrition: weighted share": float(scored["y"].mean())}
    return found


def coverage(
    replications: int, seed: int, sizes: dict[int, int], worlds: dict[str, tuple[float, float]], kinds: str = "svmta"
) -> pd.DataFrame:
    """Count how often intervals hold the truth, by world and number of schools, and how often none is given."""
    rows = []
    for place, (name, world) in enumerate(worlds.items()):
        truth = truths(world, seed)
        for schools, pupils in sizes.items():
            rng, start = np.random.default_rng([seed, 2, place, schools]), time.perf_counter()
            for _ in range(replications):
                for method, _, low, high in estimates(schools, pupils, world, rng, kinds):
                    rows.append((method, name, schools, low <= truth[method] <= high, low != low))
            print(f"{name}, {schools} schools: {time.perf_counter() - start:.0f} s", flush=True)
    table = pd.DataFrame(rows, columns=["method", "world", "schools", "held", "missing"])
    table["held"] = table["held"].astype(float).where(~table["missing"])
    return table.groupby(["method", "world", "schools"], sort=False)[["held", "missing"]].mean().reset_index()


def written(table: pd.DataFrame, replications: int, seed: int) -> str:
    """Write the page."""
    spread = table.pivot(index="method", columns=["world", "schools"], values="held").loc[
        list(dict.fromkeys(table["method"]))
    ]
    beyond = {share: _beyond(share, replications) for share in set(spread.to_numpy().ravel())}
    outside = int(sum(beyond[share] for share in spread.to_numpy().ravel()))
    lines = [
        "# Coverage",
        "",
        f"Coverage of 95 % intervals, in per cent: {replications} replications for each cell, seed",
        f"{seed}, made by `make coverage` (`benchmarks/coverage.py`). Schools are drawn anew each time:",
        "intervals speak of *schools like these*, 3 of 100 pupils, 4 of 75, 6 of 50, 10 and 20 of 40. They are alike,",
        "or differ by .5 in log odds, or differ and change between cohorts by .3 more. † marks cells in which more",
        "than 1 in 100 samples got no interval, since fewer than three schools had students; they count nowhere.",
        "",
        f"**Bold** cells lie outside {100 * WANTED[0]:.0f}–{100 * WANTED[1]:.0f} beyond chance: Wilson's 95 % interval",
        "of the cell holds no value in that range. If all coverages were at an end of it, 1 in 40 would be bold.",
        "",
        f"{outside} of {spread.size} cells are bold.",
        "",
    ]
    for world in dict.fromkeys(table["world"]):
        own = spread[world]
        lines += [f"## Schools: {world}", "", "| method | " + " | ".join(map(str, own.columns)) + " |"]
        lines += ["|---|" + "---|" * len(own.columns)]
        for method, values in own.iterrows():
            cells = [f"**{100 * v:.0f}**" if beyond[v] else f"{100 * v:.0f}" for v in values]
            few = table[(table["method"] == method) & (table["world"] == world)]["missing"] > 0.01
            cells = [cell + " †" * bool(refused) for cell, refused in zip(cells, few, strict=True)]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _beyond(share: float, replications: int) -> bool:
    low, high = wilson(round(share * replications), replications)
    return high < WANTED[0] or low > WANTED[1]


NOTES = """## Reading

- *Share eligible*, *change between cohorts*, *chances* and *recovery* are the functions of `nbanalytics.schools` on
  counts by school, which `share_eligible`, `follow_up_cohorts`, `transition_probabilities`, `transition_contrast` and
  `recovery` use.
- Not in the table: `hazard_measures` and `lead_time` (the same intervals, other statistics), and `support_outcome`,
  whose coverage the slow tests hold (`tests/test_support_outcome.py`).
"""


def main() -> None:
    """Run all cells and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, default=Path("docs/coverage.md"))
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", EstimationWarning)
    table = coverage(chosen.replications, chosen.seed, SIZES, WORLDS)
    chosen.out.write_text(written(table, chosen.replications, chosen.seed) + "\n" + NOTES, encoding="utf-8")


if __name__ == "__main__":
    main()
