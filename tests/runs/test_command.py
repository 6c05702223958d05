"""The command of a run is kept, or that there is none."""

from factneurons.runs.command import arguments, command_line, made_by
from factneurons.runs.manifest import Manifest


def test_arguments_are_those_of_the_command_inside_it_only(small, tmp_path):
    with made_by(["locate", "--out", "a b"]):
        assert arguments() == ("locate", "--out", "a b")
        assert command_line() == 'factneurons locate --out "a b"'
        manifest = small.make_manifest(settings={})
    (start,) = Manifest.from_bytes(manifest.to_bytes(), tmp_path).stages[small.STAGE].starts
    assert start.arguments == ("locate", "--out", "a b")
    assert start.directory
    assert arguments() == ()
    assert small.make_manifest(settings={}).stages[small.STAGE].starts[0].arguments == ()
