"""What `deepsentinel doctor` prints."""

from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.command.prefect_api import examine_prefect
from tasks.doctor.examination import Checks, examine
from tasks.doctor.findings import Finding
from tasks.errors import CorpusError
from tasks.settings import load_settings
from tasks.spec import CorpusSpec

_COLUMNS = ("what", "state", "finding", "remedy")


def show_findings(spec: CorpusSpec, *, deadline: float) -> None:
    """Examine a spec and print all that was found. Raises CorpusError: something is wrong; SettingsError."""
    also: Checks = {"prefect": partial(examine_prefect, deadline)}
    findings = examine(spec, load_settings(), deadline=deadline, also=also)
    console = Console()
    if console.is_terminal:
        console.print(_table(findings))
    else:
        print("\n".join(_lines(findings)))
    wrong = sum(not finding.ok for finding in findings)
    if wrong:
        raise CorpusError(
            f"{spec.name}: {wrong} of {len(findings)} checks found something wrong; the remedy is beside."
        )
    print(f"{spec.name}: {len(findings)} checks, all in order")


def _state(finding: Finding) -> str:
    return "ok" if finding.ok else "WRONG"


def _table(findings: list[Finding]) -> Table:
    table = Table()
    for column in _COLUMNS:
        # Folded, because the names of settings are longer than a narrow column and must not be cut.
        table.add_column(column, overflow="fold")
    for finding in findings:
        # Text, because what platforms say may look like markup.
        state = Text(_state(finding), style="green" if finding.ok else "bold red")
        table.add_row(Text(finding.what), state, Text(finding.found), Text(finding.remedy))
    return table


def _lines(findings: list[Finding]) -> list[str]:
    """One line a finding, its remedy on the next under the finding: a column beside it would be far out of sight."""
    width = max(len(finding.what) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.what:<{width}}  {_state(finding):<5}  {finding.found}")
        if finding.remedy:
            lines.append(f"{'':<{width}}  {'':<5}  remedy: {finding.remedy}")
    return lines
