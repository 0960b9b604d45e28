"""Find changes that were made in Azure outside the program. It only reads without --restore-app-settings.

Compares the resources (`pulumi refresh --preview-only`), the app settings and role assignments, which a
refresh does not see, and the package that the site runs. Values of app settings are never printed.

exit codes:
  0  no drift
  1  a stack could not be checked; the reason is on standard error
  2  wrong usage
  3  drift was found
"""

import argparse
import json

from ops.azure import Azure
from ops.drift.detector import detect, restore_app_settings
from ops.drift.owners import names
from ops.drift.report import Report, as_json, markdown, marker, text, title
from ops.engine import Pulumi
from ops.github import summary
from ops.github.github import GitHub
from ops.github.markdown import code, fence
from ops.output import OpsError, note, say

FAILED, FOUND = 1, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack", action="append", required=True, metavar="S", dest="stacks", help="may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--issue",
        action="store_true",
        help="keep one GitHub issue per stack up to date, and close it when there is no drift",
    )
    parser.add_argument(
        "--restore-app-settings",
        action="store_true",
        help="write the app settings as they were deployed, which no Pulumi command does (the app restarts)",
    )
    parser.add_argument("--dry-run", action="store_true", help="write neither issues nor app settings")


def run(arguments: argparse.Namespace) -> int:
    owners, pulumi = names(), Pulumi()
    needs_github = arguments.issue and not arguments.dry_run
    pulumi.check(Azure.sign_in, *([GitHub.connect] if needs_github else []))
    github = GitHub.connect() if needs_github else None
    azure = Azure.sign_in()
    reports: list[Report] = []
    failed = False
    for stack in dict.fromkeys(arguments.stacks):
        note(f"Checking {stack} …")
        try:
            if arguments.restore_app_settings and arguments.dry_run:
                note(f"{stack}: would write the app settings as they were deployed")
            elif arguments.restore_app_settings:
                restore_app_settings(pulumi, azure, stack)
                note(f"{stack}: the app settings are written as they were deployed")
            report = detect(pulumi, azure, stack)
            reports.append(report)
            body = markdown(report, owners)
            summary.write(f"## Drift of {code(stack)}\n\n{body}")
            if github is not None:
                _keep_issue(github, report, body)
        except OpsError as error:
            failed = True
            note(f"error: {stack}: {error}")
            why = fence(str(error), lines=20, most=500)
            summary.write(f"## Drift of {code(stack)}\n\n❌ could not be checked:\n\n{why}\n")
    if arguments.json:
        say(json.dumps(as_json(reports), indent=2))
    else:
        for report in reports:
            say(text(report))
    if failed:
        return FAILED
    return FOUND if any(report.findings for report in reports) else 0


def _keep_issue(github: GitHub, report: Report, body: str) -> None:
    if not report.findings:
        closed = github.close_issue(marker(report.stack), f"{report.stack} matches its program again.")
        if closed is not None:
            note(f"{report.stack}: closed issue #{closed}")
        return
    number = github.upsert_issue(marker(report.stack), title(report.stack), body, labels=("drift",))
    note(f"{report.stack}: issue #{number}")
