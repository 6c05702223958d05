"""Words that tell their meaning."""

import re

from factneurons.report.sections.glossary import TERMS, term


def test_every_word_has_a_meaning_in_a_sentence():
    for word, meaning in TERMS.values():
        assert word
        assert meaning[0].isupper()
        assert meaning.endswith(".")


def test_a_word_leads_to_its_entry_and_is_escaped():
    said = term("known", "<b>knows</b>")
    assert re.fullmatch(r'<a class="term" href="#term-known" title="[^"]+">&lt;b&gt;knows&lt;/b&gt;</a>', said)
    assert TERMS["known"][0] in term("known")
