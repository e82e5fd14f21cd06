"""Exams as LaTeX, to be changed by hand: article, with packages that every distribution has."""

import re
from collections.abc import Mapping, Sequence

from coursekit.exam.page import Heading, partial_text, score_rows, shares_sheet
from coursekit.exam.parts import Part, Problem
from coursekit.exam.texts import Texts

PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[margin=20mm]{geometry}
\usepackage{textcomp,amsmath,enumitem,fancyhdr,graphicx}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\pagestyle{fancy}
\fancyhf{}
\renewcommand{\headrulewidth}{0pt}
\newcommand{\blank}{\rule[-2pt]{40mm}{0.4pt}}
\newcommand{\earned}[1]{\nolinebreak\hspace*{\fill}\mbox{\fbox{\rule{0pt}{10pt}\hspace{18pt}}\,/\,#1}}
\newcommand{\room}[1]{\par\hrule\smallskip{\small #1}\par\vspace{20mm plus 1fill}\hrule\medskip}
\newcommand{\nextvariant}{\clearpage
  \ifodd\value{page}\else\thispagestyle{empty}\null\clearpage\fi\setcounter{page}{1}}
"""
SPECIAL = {
    **{character: f"\\{character}" for character in "#$%&_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"×": r"\ensuremath{\times}", "−": r"\ensuremath{-}", "≥": r"\ensuremath{\ge}"},
    **{"⌊": r"\ensuremath{\lfloor}", "⌋": r"\ensuremath{\rfloor}", "≤": r"\ensuremath{\le}"},
    **{"\N{NO-BREAK SPACE}": "~", "\N{NARROW NO-BREAK SPACE}": r"\,", "…": r"\dots{}"},
    **{sign: rf"\textsuperscript{{{digit}}}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{
        letter: rf"\ensuremath{{\{name}}}"
        for letter, name in {"α": "alpha", "β": "beta", "γ": "gamma", "τ": "tau"}.items()
    },
    **{"±": r"\ensuremath{\pm}", "√": r"\ensuremath{\surd}", "·": r"\ensuremath{\cdot}"},
    **{"≈": r"\ensuremath{\approx}", "→": r"\ensuremath{\to}", "ℓ": r"\ensuremath{\ell}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
}


def render(
    variants: Mapping[int, Sequence[Problem]], texts: Texts, heading: Heading, *, key: bool
) -> str:
    """Return the exams of some variants, or their keys, as one LaTeX file.

    The arguments are those of `page.render`. Images are read from the folder `images`. LaTeX
    must run twice, to know how many pages there are. A variant begins on a right-hand page.
    """
    title = texts("key" if key else "exam")
    pages = []
    for seed, problems in variants.items():
        variant = as_latex(texts("variant", seed=seed))
        last = f"last-{seed}"
        count = texts("page", number=r"\thepage{}", total=rf"\pageref{{{last}}}")
        foot = rf"\fancyfoot[L]{{{as_latex(title)}, {variant}}}\fancyfoot[R]{{{count}}}"
        body = ""
        for number, problem in enumerate(problems, 1):
            if number > 1 and not key and not shares_sheet(problems, number):
                body += "\\clearpage\n"
            body += _problem(problem, number, texts, key=key)
        head = _head(problems, texts, heading) if not key else ""
        pages.append(
            f"\\nextvariant{foot}\n"
            f"\\section*{{{as_latex(title)}, {variant}}}\n{head}{body}\\label{{{last}}}\n"
        )
    language = {"en": "english", "fr": "french"}[texts.code]
    babel = f"\\usepackage[{language}]{{babel}}\n\\begin{{document}}\n"
    return f"{PREAMBLE}{babel}{''.join(pages)}\\end{{document}}\n"


def _head(problems: Sequence[Problem], texts: Texts, heading: Heading) -> str:
    filled = {
        "name": r"\blank",
        "student": r"\blank",
        "date": as_latex(heading.date) or r"\blank",
        "duration": as_latex(texts("minutes", minutes=heading.minutes)),
        "aids": as_latex(heading.aids),
    }
    lines = [f"{as_latex(texts.label(name))} {value}" for name, value in filled.items()]
    return r"\\[4pt] ".join(lines) + "\n\n\\medskip\n" + _tabular(score_rows(problems, texts))


def _tabular(rows: Sequence[Sequence[str]]) -> str:
    """A table that stays on one page."""
    columns = "|" + "l|" * len(rows[0])
    lines = "".join(
        " & ".join(as_latex(cell) for cell in row) + r" \\ \hline" + "\n" for row in rows
    )
    return f"\\begin{{tabular}}{{{columns}}}\n\\hline\n{lines}\\end{{tabular}}\n\n"


def _problem(problem: Problem, number: int, texts: Texts, *, key: bool) -> str:
    points = texts.points(problem.points)
    title = as_latex(f"{texts('problem', number=number)}. {problem.title} ({points})")
    table = _tabular(problem.table) if problem.table else ""
    parts = "".join(_part(part, texts, key=key) for part in problem.parts)
    is_computed = problem.topic != "questions"
    room = f"\\room{{{as_latex(texts('room'))}}}\n" if is_computed and not key else ""
    begin = r"\begin{enumerate}[label=\alph*),itemsep=6pt]"
    return (
        f"\\subsection*{{{title}}}\n{as_latex(problem.text)}\n\n{table}"
        f"{begin}\n{parts}\\end{{enumerate}}\n{room}"
    )


def _part(part: Part, texts: Texts, *, key: bool) -> str:
    lines = [as_latex(part.question)]
    if part.image:
        lines.append(rf"\par\includegraphics[width=0.6\linewidth]{{images/{part.image.name}}}\par")
    if part.choices:
        choices = "".join(rf"\item {as_latex(choice)}" for choice in part.choices)
        lines.append(rf"\begin{{enumerate}}[label=\Alph*,nosep]{choices}\end{{enumerate}}")
    if key:
        lines.append(rf"\textbf{{{as_latex(part.answer)}}} \textit{{{as_latex(part.why)}}}")
        for half in part.partial:
            lines.append(rf"\par{{\small {as_latex(partial_text(half, texts))}}}")
    else:
        lines.append(rf"\blank\earned{{{as_latex(texts.number(part.points))}}}")
    inside = "\n".join(lines)
    return f"\\item \\begin{{minipage}}[t]{{\\linewidth}}\n{inside}\n\\end{{minipage}}\n"


def as_latex(text: str) -> str:
    """Return plain text with `code` as LaTeX.

    >>> as_latex("50 % of `a_b`")
    '50 \\\\% of \\\\texttt{a\\\\_b}'
    """
    escaped = re.sub(".", lambda match: SPECIAL.get(match[0], match[0]), text, flags=re.DOTALL)
    parts = escaped.split("`")
    return "".join(rf"\texttt{{{part}}}" if i % 2 else part for i, part in enumerate(parts))
