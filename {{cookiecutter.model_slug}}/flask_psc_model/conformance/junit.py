"""The report as JUnit XML, which continuous integration shows."""

from xml.etree import ElementTree

from .report import Report
from .result import FAILED, PASSED

_CONTROLS = {code: None for code in range(32) if chr(code) not in "\t\n\r"}


def write_junit(report: Report, path: str) -> None:
    """Write a report as JUnit XML.

    Advice and what was left out are "skipped": JUnit knows nothing else that is shown
    and is no failure.

    Raises:
        OSError: the file cannot be written.
    """
    results = report.results
    others = sum(result.verdict not in (PASSED, FAILED) for result in results)
    suite = ElementTree.Element(
        "testsuite",
        name="check_container {}".format(report.subject),
        tests=str(len(results)),
        failures=str(report.count(FAILED)),
        errors="0",
        skipped=str(others),
        time="{:.3f}".format(sum(result.seconds for result in results)),
    )
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=result.check,
            name=result.name,
            time="{:.3f}".format(result.seconds),
        )
        text = "expected {}; came {} [{}]".format(
            result.expected, result.came, result.section
        )
        if result.verdict != PASSED:
            tag = "failure" if result.verdict == FAILED else "skipped"
            message = _clean("{}: {}".format(result.verdict, text))
            ElementTree.SubElement(case, tag, message=message)
        if result.log:
            ElementTree.SubElement(case, "system-out").text = _clean(result.log)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.ElementTree(suites).write(path, "utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    # XML has no way to write control characters, nor half of a surrogate pair
    return text.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")
