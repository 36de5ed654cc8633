"""The leaderboard: tracked results joined with latency on this machine, and the page around it."""

from dataclasses import replace

from lipnet.report import latencies
from lipnet.report.csv_rows import write_rows
from lipnet.report.page import write_page
from lipnet.report.rows import LeaderboardRow
from lipnet.report.saved import read_report, read_results_rows
from lipnet.report.study import Study
from lipnet.report.trainings import read_trainings


def write_leaderboard(study: Study) -> list[LeaderboardRow]:
    """Write leaderboard.csv, latency.json and the page from the report's tracked files.

    Returns the leaderboard's rows.
    """
    results = read_results_rows(study)
    kept = latencies.measure_all(results, study)
    rows = []
    for row in results:
        members = row.members or (row.model,)
        known = [kept[name] for name in members if name in kept]
        own = latencies.join_latencies(known) if len(known) == len(members) else None
        rows.append(replace(row, latency=own))
    write_rows(study.report / "leaderboard.csv", LeaderboardRow, rows)
    write_page(study, rows, read_report(study), read_trainings(study, rows))
    return rows
