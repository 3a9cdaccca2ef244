"""Whatever is posted to `/run` gets an answer that fits."""

import json
import os

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from .apps import check, copy_text, make_client
from .job_folders import JobFolders

CONTENT_TYPES = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "application/json",
            "application/json; charset=latin-1",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain",
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)

#: Texts with lone surrogates too, which JSON can carry.
ANY_TEXT = st.text(st.characters(blacklist_categories=()))

NEARLY_JOBS = st.fixed_dictionaries(
    {"type": st.sampled_from(["file", "file", "file", "text"]) | JSON},
    optional={"input": ANY_TEXT | JSON, "output": ANY_TEXT | JSON, "more": JSON},
)


@pytest.fixture(scope="module")
def client():
    return make_client(copy_text, inputs="no such name as this.txt")


@pytest.fixture(scope="module")
def working_client():
    return make_client(copy_text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return an empty folder that is the working directory for a while."""
    path = tmp_path_factory.mktemp("properties")
    before = os.getcwd()
    os.chdir(str(path))
    yield path
    os.chdir(before)


@given(body=st.binary(), content_type=CONTENT_TYPES)
@example(body=b"", content_type="")
@example(body=b"\xef\xbb\xbf", content_type="application/json")
@example(body=b"\xef\xbb\xbf{}", content_type=None)
def test_no_bytes_give_a_500(client, body, content_type):
    answer = client.post("/run", data=body, content_type=content_type)
    assert answer.status_code in (400, 415)
    check(answer, answer.status_code)


@given(content=JSON, content_type=CONTENT_TYPES, indent=st.sampled_from([None, 2]))
@example(content={"type": float("nan")}, content_type=None, indent=None)
def test_all_json_that_is_no_job_gives_a_400(client, content, content_type, indent):
    body = json.dumps(content, indent=indent)
    check(client.post("/run", data=body, content_type=content_type), 400)


@given(content=NEARLY_JOBS)
@example(content={"type": "file", "input": "\udc80", "output": "\0"})
@example(content={"type": "file", "input": "/", "output": "/"})
@example(content={"type": "file", "input": ".", "output": "~"})
def test_nearly_all_jobs_give_a_400_and_leave_nothing(client, folder, content):
    check(client.post("/run", json=content), 400)
    assert os.listdir(str(folder)) == []


@given(name=ANY_TEXT)
@example(name="x" * 255)
@example(name="x" * 256)
@example(name="\udcff")
@example(name="\n")
@example(name=" ")
@example(name="%s%(x)s{}{0}")
@example(name="a/b/../c//./d/")
def test_every_output_folder_gets_its_file_or_a_400(
    working_client, tmp_path_factory, name
):
    job = JobFolders(tmp_path_factory.mktemp("job") / "job", input="hello")
    output = os.path.join(str(job.folder), name)
    # others could be anywhere on this machine
    assume(os.path.abspath(output).startswith(str(job.folder)))
    answer = working_client.post("/run", json=dict(job.body, output=output))
    if answer.status_code == 400:
        check(answer, 400)
        assert os.listdir(str(job.folder)) == ["in"]
    else:
        check(answer, 200)
        with open(os.path.join(os.path.abspath(output), "results.json")) as file:
            assert file.read() == "hello"


@given(text=st.text(st.characters(blacklist_categories=())))
@example(text="x" * 20000)
@example(text="\n")
def test_whatever_a_model_says_arrives(tmp_path_factory, text):
    def run(input_path, output_path):
        raise ValueError(text)

    job = JobFolders(tmp_path_factory.mktemp("job") / "job")
    message = check(make_client(run).post("/run", json=job.body), 422)
    assert message == (text.strip() or "the model refused the input")[:10000].strip()


@given(content=st.dictionaries(st.text(), st.text(), min_size=1), header=st.text())
def test_any_request_id_gives_an_answer(client, content, header):
    header = header.encode("utf-8", "replace").decode("latin-1")
    assume("\n" not in header and "\r" not in header)
    answer = client.post("/run", json=content, headers={"X-Request-ID": header})
    check(answer, 400)
    assert answer.headers["X-Request-ID"].strip()
