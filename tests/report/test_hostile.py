"""Texts that try to become something else in the page: every field of a fact, and everything else from outside."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from factneurons.facts.types import Fact, Prompt
from factneurons.report.html import visible
from factneurons.report.page import run_report
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run

PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>alert(1)</script>-->",
    "]]><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    " onmouseover=alert(1) x=",
    '"autofocus onfocus=alert(1)//',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext></mtext><style><img src=x onerror=alert(1)></style></math>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<base href='http://example.invalid/'>",
    "<link rel=stylesheet href=http://example.invalid/x.css>",
    "<meta http-equiv=refresh content='0;url=http://example.invalid'>",
    "<form action=http://example.invalid><input type=submit></form>",
    "<details open ontoggle=alert(1)>",
    "</details></section></main></body></html>",
    "</td></tr></table>",
    "<plaintext>",
    "<xmp>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "{{ 7 * 7 }}",
    "{% for x in range(9) %}x{% endfor %}",
    "{# comment",
    "${alert(1)}",
    "`${alert(1)}`",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&quot; onload=&quot;alert(1)",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\u2028alert(1)\u2029",
    "\u202ealert(1)\u202c",
    "\u2066\u202eevil\u2069",
    "\x00<script>alert(1)</script>",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\x1b[31mred\x07",
    "\x85\x9f\x7f",
    "\ufeff<b>",
    "\ufffe\uffff",
    "＜script＞alert(1)＜/script＞",
    "<\u200bscript>alert(1)</script>",
    "𝕳" * 20,
    "Z̷̢a̵͓l̶̰g̸̘o̷͉" * 10,
    "x" * 3000,
    "<b>" * 300,
    "'\"><" * 100,
    "=cmd|' /C calc'!A0",
    "../../../etc/passwd",
    "';DROP TABLE facts;--",
    "\\",
    "\\\\'",
    "</",
    "<",
    "&",
    "<<<>>>",
    "-->",
    "*/alert(1)/*",
    "</SCRIPT ><SCRIPT\n>alert(1)</SCRIPT\t>",
    "</style><style>*{display:none}</style>",
    "<style>@import url(http://example.invalid/x.css);</style>",
    '" style="background:url(http://example.invalid/x.png)',
    "<p style=width:expression(alert(1))>",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "<object data='data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='></object>",
    "<img srcset='http://example.invalid/x.png 1x'>",
    "<dialog open>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "<%= 7 * 7 %>",
]
MOST_IN_ONE = 300  # letters of a piece that is joined with others
FACTS_OF_A_PAGE = 50
WRAPPERS = ["{}", "{}巴黎"]
STRINGS = [wrapper.format(payload) for wrapper in WRAPPERS for payload in PAYLOADS]


def joined(trial):
    """As many different texts as the trial asks for: those of PAYLOADS, then several of them joined at random."""
    pieces = [payload for payload in PAYLOADS if len(payload) <= MOST_IN_ONE]
    random = trial.random
    texts = dict.fromkeys(random.sample(PAYLOADS, min(trial.times, len(PAYLOADS))))
    while len(texts) < trial.times:
        texts["".join(random.choices(pieces, k=random.randint(2, 5)))] = None
    return list(texts)


def facts_with(texts):
    """One fact per text, with the text in every field; ids keep the order of the list."""
    return [
        Fact(
            id=f"{number:04d} {text}",
            relation=f"relation {number % 3} {text}",
            subject=f"{text} subject",
            answer=f"{text} answer",
            language=f"{'ab'[number % 2]}{text}",
            prompts=(
                Prompt(f"{text} first ___{text}"),
                Prompt(f"second {text} ___"),
                Prompt(f"___ is third {text}"),
            ),
            date=f"2020 {text}",
            aliases=(f"{text} alias", f"another {text}"),
            wrong_answers=(f"{text} wrong",),
            translations={f"c{text}": f"{number} {text}"},
            source=f"{text}:{number}",
        )
        for number, text in enumerate(texts)
    ]


def written(make_run, folder, texts, other, **options):
    run = make_run(
        folder,
        facts=facts_with(texts),
        not_asked=[
            Skip(f"reason {number} {text}", f"detail {text}", f"id {text}", f"{text}", f"{text}:1", f"{text} ___")
            for number, text in enumerate(texts[:20])
        ],
        model=other,
        data=other,
        command=other,
    )
    return run_report(run, **options)


@pytest.fixture(scope="module")
def pages(make_run, parsed, tmp_path_factory):
    """The page of hostile facts and the page of the same facts with plain texts."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile = written(make_run, folder / "hostile", STRINGS, PAYLOADS[1] + PAYLOADS[8], max_facts=len(STRINGS))
    plain = written(
        make_run,
        folder / "plain",
        [f"plain {number}" for number in range(len(STRINGS))],
        "plain",
        max_facts=len(STRINGS),
    )
    return parsed(hostile), parsed(plain)


def test_there_are_enough_of_them():
    assert len(set(STRINGS)) > 120


def test_no_element_no_attribute_and_no_handler_is_new(pages):
    hostile, plain = pages
    assert len(plain.elements) > 10_000
    assert [element.shape for element in hostile.elements] == [element.shape for element in plain.elements]
    assert hostile.open == plain.open == []


def test_attributes_that_are_not_texts_are_the_same(pages):
    texts = {"lang", "content"}
    hostile, plain = (
        [[pair for pair in element.attributes if pair[0] not in texts] for element in page.elements] for page in pages
    )
    assert hostile == plain


def test_every_text_is_seen_as_it_is(pages):
    seen = pages[0].text
    for text in STRINGS:
        assert " ".join(str(visible(f"{text} subject → {text} answer")).split()) in seen


def test_no_text_is_in_a_script(pages):
    scripts = [[text for tag, text in page.texts if tag == "script"] for page in pages]
    assert len(scripts[0]) == len(scripts[1])
    assert scripts[0] == scripts[1]
    assert "alert" not in json.dumps(scripts[0][:-2])


def test_facts_that_are_only_listed_do_no_harm_either(make_run, parsed, tmp_path):
    texts = STRINGS[:: len(STRINGS) // 30]
    hostile = written(make_run, tmp_path / "hostile", texts, texts[1], max_facts=1)
    plain = written(
        make_run, tmp_path / "plain", [f"plain {number}" for number in range(len(texts))], "plain", max_facts=1
    )
    first, second = parsed(hostile), parsed(plain)
    assert [element.shape for element in first.elements] == [element.shape for element in second.elements]


def test_the_tables_hold_the_texts_unchanged(make_run, tmp_path):
    facts = facts_with(STRINGS[:5])
    folder = make_run(tmp_path / "run", facts=[replace(fact, date=None) for fact in facts], stages=("locate",))
    assert Run.open(folder).table("facts")["subject"].tolist() == [fact.subject for fact in facts]


# Everything is opened, drawn, searched and hovered over; then the elements, outside the drawings, are told in order.
LOOKED_AT = """
  for (const details of all("details")) details.open = true;
  for (const button of all(".open-all")) button.click();
  await new Promise(function (then) { setTimeout(then, 500); });
  for (const text of TEXTS) {
    const search = control("Search");
    if (search) { set(search, text); set(search, ""); }
    location.hash = text;
  }
  for (const each of all(".chart *")) each.dispatchEvent(new MouseEvent("mousemove", { bubbles: true }));
  const links = ["href", "src", "srcset", "action", "formaction", "data", "xlink:href", "srcdoc", "background"];
  seen.shapes = [];
  seen.wrong = [];
  for (const each of all("*")) {
    const names = each.getAttributeNames().sort();
    if (!each.closest(".chart, #vg-tooltip-element")) seen.shapes.push([each.tagName].concat(names).join(" "));
    else if (/script|foreignObject|iframe|image|object|embed|^a$/i.test(each.tagName)) seen.wrong.push(each.tagName);
    for (const name of names) {
      if (name.startsWith("on")) seen.wrong.push(name);
      if (links.includes(name) && !/^#[-\\w]*$/.test(each.getAttribute(name))) seen.wrong.push(each.outerHTML);
    }
  }
"""
DIALOGS = """<script>
for (const name of ["alert", "confirm", "prompt", "print", "open"])
  window[name] = function () { seen.errors.push("dialog: " + name); };
</script>"""


@pytest.fixture
def opened(in_browser, tmp_path):
    """opened(page, texts): what is found in the page in a real browser, which is watched down to its network."""

    def look(page, texts=()):
        log = tmp_path / "network.json"
        check = LOOKED_AT.replace("TEXTS", json.dumps(texts).replace("</", "<\\/").replace("<!--", "<\\!--"))
        seen = in_browser(page, check, f"--log-net-log={log}", before=DIALOGS)
        assert "example.invalid" not in log.read_text(encoding="utf-8", errors="replace")
        assert seen["wrong"] == []
        return seen["shapes"]

    return look


@pytest.mark.trial("hostile texts")
def test_hostile_texts_do_nothing_in_a_browser(make_run, opened, tmp_path, trial):
    """No new element, attribute or handler; no dialog, no request, and nothing that the page's policy had to stop."""
    plain = opened(
        written(make_run, tmp_path / "plain", [f"plain {number}" for number in range(FACTS_OF_A_PAGE)], "plain",
                max_facts=FACTS_OF_A_PAGE)
    )  # fmt: skip
    assert len(plain) > 100 * FACTS_OF_A_PAGE
    texts = joined(trial)
    assert len(set(texts)) == trial.times
    for start in range(0, len(texts), FACTS_OF_A_PAGE):
        some = texts[start : start + FACTS_OF_A_PAGE]
        page = written(make_run, tmp_path / f"hostile-{start}", some, some[1], max_facts=len(some))
        assert opened(page, some[::10]) == plain


@pytest.mark.parametrize(
    ("text", "policy", "seen"),
    [
        ("<b onclick=alert(1)>x</b>", True, "policy: inline"),
        ("<a href='javascript:alert(1)'>x</a>", True, "javascript:alert"),
        ("<script>alert(1)</script>", False, "dialog: alert"),
        ("<link rel=stylesheet href=http://example.invalid/x.css>", False, "example.invalid"),
    ],
)
def test_what_is_not_escaped_is_noticed(make_run, opened, tmp_path, text, policy, seen):
    page = written(make_run, tmp_path / "run", ["plain 0", "plain 1"], "plain")
    html = page.read_text(encoding="utf-8").replace("plain 1 subject", text)
    page.write_text(html if policy else html.replace("Content-Security-Policy", "none"), encoding="utf-8")
    with pytest.raises(AssertionError, match=seen):
        opened(page)


WATCHED = """
import pickle, subprocess, sys
from pathlib import Path

import factneurons as fn
from factneurons.report.page import run_report
from factneurons.runs.store import Run
from factneurons.runs.verify import verify

folder, other, happened = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), []
run_report(other)  # what a first report imports and caches is no part of what is watched
RUNS_CODE = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class", "socket.connect")
CHANGES = ("os.remove", "os.rmdir", "os.mkdir", "os.rename", "os.link", "os.symlink", "os.chmod", "os.truncate")

def watch(event, arguments):
    if event in RUNS_CODE:
        happened.append(event)
    writes = event == "open" and (set(str(arguments[1])) & set("wax+") or (arguments[2] or 0) & 3)
    if writes or event in CHANGES:
        place = arguments[0]
        if not isinstance(place, int) and not Path(str(place)).absolute().is_relative_to(folder):
            happened.append(f"{event} {place}")

sys.addaudithook(watch)
run = Run.open(folder)
for name in ("facts", "neurons", "skipped"):
    run.table(name)
verify(run)
run_report(folder)
print(*happened, sep="\\n")
"""


def test_reading_somebody_elses_run_executes_nothing_and_writes_nothing_outside_it(make_run, tmp_path):
    """In a process of its own, as what Python is made to do is watched by a hook that cannot be taken away."""
    folder = make_run(tmp_path / "theirs", stages=("locate",), command="$(touch owned); import os; os.system('id')")
    mine = make_run(tmp_path / "mine", stages=("locate",))
    bait = "raise SystemExit('executed')"
    for name in ("sitecustomize.py", "conftest.py", "factneurons.py", "modeling.py", "parts/__init__.py"):
        (folder / name).write_text(bait)
    (folder / "parts" / "notes.pkl").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(folder), str(mine)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr[-700:]) == (0, "", "")
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() - before.keys()} == {"report.html"}
    assert all(after[path] == data for path, data in before.items())
    assert {path.name for path in tmp_path.iterdir()} == {"theirs", "mine"}
