"""One row to take away: to cite, to put in a table, or to load and evaluate its model.

Each text stands alone: it says what the numbers are about and whose they are, and nothing in it is
taken from a stranger's file but escaped. What would not work is left out: there is no `load_model`
for what RobustBench has no weights of, and no command for images that a file does not name.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from eval.report.known import FULL
from leaderboard import escape
from leaderboard.bibtex import bibtex, key, paper
from leaderboard.boards import Board
from leaderboard.columns import BEST, CLEAN, SOURCES, Column
from leaderboard.numbers import BestKnown
from leaderboard.places import ROBUSTBENCH_SUBSET
from leaderboard.rows import BoardRow
from leaderboard.texts import Cell, about_best, cell, heading, yes_no

_HEADS = ("model", "architecture", "clean", "robust", "robust: found by")
_BY_NAME = {
    "hub": re.compile(r"hf-hub:[\w.-]+/[\w.-]+@[0-9a-f]{7,40}", re.ASCII),
    "library": re.compile(r"(?:robustbench:\w+/\w+|torchvision:\w+)/[\w.+-]+", re.ASCII),
}
"""By the source of the weights, names of models of others that `sat-zoo eval` takes."""
_LIST = "imagenet_test_image_ids.txt"


@dataclass(frozen=True)
class Copied:
    """A text that a reader may copy.

    key: "bibtex", "latex", "markdown", "csv", "python" or "shell". label: what a button says.
    """

    key: str
    label: str
    text: str


def copies(board: Board, row: BoardRow) -> tuple[Copied, ...]:
    """Everything that can be copied of a row of this board, in the order of its buttons."""
    found = (
        ("bibtex", "BibTeX", bibtex_of(row)),
        ("latex", "LaTeX", latex_line(board, row)),
        ("markdown", "Markdown", markdown_line(board, row)),
        ("csv", "CSV", csv_line(board, row)),
        ("python", "Python", python(row)),
        ("shell", "Command", command(board, row)),
    )
    return tuple(Copied(name, label, text) for name, label, text in found if text is not None)


def bibtex_of(row: BoardRow) -> str | None:
    """Its paper as an entry; None where no paper is known."""
    found = paper(row)
    return None if found is None else bibtex(found)


def latex_line(board: Board, row: BoardRow) -> str:
    r"""Its line for a tabular, below comments that say what it is about.

    The line cites the paper by the key of `bibtex_of`; `escape.latex_original` stands above it
    where the name cannot be set.
    """
    about = f"{heading(board)}; per cent, with 95 % intervals"
    lines = [f"% {escape.plain(about)}", rf"% {' & '.join(_HEADS)} \\"]
    if (original := escape.latex_original(row.model)) is not None:
        lines.append(original)
    name = rf"\texttt{{{escape.latex(escape.short(row.model))}}}"
    if (cited := paper(row)) is not None:
        name += rf"~\cite{{{key(cited)}}}"
    words = [name, escape.latex(row.architecture or "--")]
    robust = _robust(row)
    words += [_in_latex(_clean(row)), _in_latex(robust), escape.latex(_about(robust))]
    return "\n".join([*lines, rf"{' & '.join(words)} \\"])


def markdown_line(board: Board, row: BoardRow) -> str:
    """Its line with the head of a table above it; the name leads to the paper."""
    name = escape.markdown(escape.short(row.model))
    if (cited := paper(row)) is not None:
        name = f"[{name}](<{cited.link.replace(chr(92), '%5C').replace('|', '%7C')}>)"
    robust = _robust(row)
    words = [name, escape.markdown(row.architecture or "")]
    words += [str(_clean(row) or ""), str(robust or ""), escape.markdown(_about(robust))]
    heads = [escape.markdown(one) for one in _HEADS]
    rows: Sequence[Sequence[str]] = (heads, ["---"] * len(heads), words)
    table = "\n".join(f"| {' | '.join(one)} |" for one in rows)
    about = escape.markdown(f"{heading(board)}; per cent, with 95 % intervals")
    return f"{about}\n\n{table}"


def csv_line(board: Board, row: BoardRow) -> str:
    """Its line with the head above it; accuracies are fractions."""
    robust, cited = _robust(row), paper(row)
    known: list[tuple[str, object]] = [
        *(("dataset", board.dataset), ("norm", board.norm), ("eps", board.eps)),
        *(("images", board.subset), ("model", row.model), ("architecture", row.architecture)),
        *(("activation", row.activation), ("parameters", row.parameters)),
        ("extra_data", yes_no(row.extra_data)),
        *_in_cells("clean", _clean(row)),
        *_in_cells("robust", robust),
        *(("found_by", _about(robust)), ("link", cited.link if cited else None)),
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in known])
    writer.writerow(
        ["" if v is None else escape.csv_cell(v) if isinstance(v, str) else v for _, v in known]
    )
    return text.getvalue().rstrip("\n")


def python(row: BoardRow) -> str | None:
    """A snippet that loads the model: one of the zoo's, or one that RobustBench has weights of."""
    entry = row.published
    if entry is not None:
        if not entry.loads:
            return None
        named = f'model_name="{entry.id}", dataset="{entry.dataset}", threat_model="{entry.norm}"'
        return f"from robustbench.utils import load_model\n\nmodel = load_model({named})"
    if row.card is not None and row.card.name == row.model:
        return f'import zoo\n\nmodel = zoo.load("{row.card.name}")'
    return None


def command(board: Board, row: BoardRow) -> str | None:
    """The command that evaluates the model as this board has it."""
    name = _loaded_by_name(row)
    images = _images(board)
    if name is None or images is None or board.dataset not in FULL:
        return None
    words = ["sat-zoo", "eval", name, "--attack", _attack(row)]
    words += ["--norm", board.norm, "--eps", board.eps]
    if row.card is None or row.card.dataset != board.dataset:
        words += ["--data", board.dataset]
    return " ".join(map(quote, (*words, *images)))


def _loaded_by_name(row: BoardRow) -> str | None:
    """What `sat-zoo eval` finds the model by; a file or function of somebody's own has no name."""
    if row.card is not None:
        return row.card.name if row.card.name == row.model else None
    if not row.reports:
        return None
    model = row.reports[0].model
    known = _BY_NAME.get(model.source)
    return model.name if known is not None and known.fullmatch(model.name) else None


def _images(board: Board) -> list[str] | None:
    """The options that choose the images of a board; None where they cannot be said."""
    if board.subset_key == "full":
        return []
    if board.subset_key == ROBUSTBENCH_SUBSET.key:
        return ["--ids", _LIST]
    first = re.fullmatch(r"first-(\d+)", board.subset_key)
    # Of ImageNet --n draws; its first images in order are those of a list.
    return ["--n", first[1]] if first and board.dataset != "imagenet" else None


def _attack(row: BoardRow) -> str:
    """Of its best measured number, where its name says all of it, else AutoAttack."""
    best = row.best
    if best is None or best.column.source != "measured":
        return "autoattack"
    name = best.column.key.removesuffix(" reference")
    return "autoattack" if " " in name else name


def _clean(row: BoardRow) -> Cell | None:
    found = (cell(row, Column(source, CLEAN)) for source in SOURCES)
    return next(filter(None, found), None)


def _robust(row: BoardRow) -> Cell | None:
    """Its best known number; where only its authors say one, the lowest of theirs, so called."""
    if row.best is not None:
        return cell(row, BEST)
    claims = [
        BestKnown(claimed.believed, Column("claimed", name), claimed.best_known is not None)
        for name, claimed in row.claimed.items()
        if name != CLEAN
    ]
    lowest = min(claims, key=lambda one: one.number.accuracy, default=None)
    return Cell.of(lowest.number, about_best(lowest)) if lowest is not None else None


def _about(found: Cell | None) -> str:
    return found.about if found is not None else ""


def _in_latex(found: Cell | None) -> str:
    if found is None:
        return "--"
    interval = f" {{\\scriptsize ({found.range.replace(' to ', '--')})}}" if found.range else ""
    return f"{found.text}{interval}{found.mark}"


def _in_cells(name: str, found: Cell | None) -> list[tuple[str, object]]:
    number = found.number if found is not None else None
    return [
        (name, number and number.accuracy),
        (f"{name}_low", number and number.low),
        (f"{name}_high", number and number.high),
        (f"{name}_n", number and number.n),
    ]
