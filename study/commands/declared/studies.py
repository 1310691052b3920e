"""Commands that run a study, and that show what came of it."""

from __future__ import annotations

from pathlib import Path

from study.commands.declared.command import Command, Option
from study.commands.declared.options import (
    ADDRESS,
    FORMAT,
    ROOT,
    STUDY,
    STUDY_FILE,
    number_above,
    whole_number,
)

RUN = Command(
    "run",
    "run a study: train its trials, measure them, report the front",
    options=(
        STUDY_FILE,
        Option(
            "--resume",
            "go on with the study, if there is one of its name",
            action="store_true",
        ),
        ADDRESS,
    ),
    about="""\
examples:
  study run                     the quick start, under the next free name quickstart-001, -002, ...
  study run voxel               octrees whose decoder is a network, as voxel-001, -002, ...
  study run vae                 a variational autoencoder, in a minute, as vae-001, -002, ...
  study run mine.yaml           needs a new name: a study's folder is never used for another
  study run mine.yaml --resume  goes on with the study of that name, or begins it
  study run mine.yaml --address 10.0.0.5:6379
                                joins a running Ray cluster; `--address auto` on its head

The machines of a joined cluster need this project installed, and no disk in common: the study's
folder is where this command runs, and data, checkpoints and codecs travel (docs/cluster.md).

Ctrl-C lets the epochs in training end and saves them; twice stops at once. `study resume NAME` goes
on, with every epoch that was finished.""",
    run="study.commands.running:run",
    check="study.commands.checks:check_run",
)

RESUME = Command(
    "resume",
    "go on with a study that was interrupted, or that is to have more trials",
    options=(
        STUDY,
        Option(
            "--trials",
            "how many trials the study shall have in all",
            type=whole_number(1),
            metavar="N",
        ),
        Option(
            "--hours",
            "how long drivers may work on it, all together (budget.hours)",
            type=number_above(0),
            metavar="H",
        ),
        Option(
            "--from",
            "the study's storage.mirror, from which its folder is made again; there must be none",
            dest="mirror",
            metavar="MIRROR",
        ),
        ROOT,
        ADDRESS,
    ),
    about="""\
Unfinished trials keep their numbers and go on from their last checkpoint; finished ones stay as
they are. It does not matter what ended the study: Ctrl-C, a killed driver or worker, a full disk, a
reboot. Only one driver may work on a study at a time; a second one is refused.

examples:
  study resume quickstart-001   goes on with what is left
  study resume quickstart-001 --trials 32
                                32 trials in all, also if the 16 it had are finished
  study resume mine --hours 8   stops when drivers have worked on it for 8 hours, all together
  study resume mine --from s3://bucket/studies
                                on another machine, when the study's own is lost (docs/cluster.md)
  study run mine.yaml --resume  the same with the study file, in which budgets, resources and
                                tracking may have changed; all else must be as it began""",
    run="study.commands.running:resume",
    check="study.commands.checks:check_resume",
)

FRONT = Command(
    "front",
    "show a study's front and draw its pictures anew",
    options=(
        STUDY,
        Option(
            "--with",
            "draw another study's front beside it; may be repeated",
            dest="others",
            action="append",
            metavar="OTHER",
        ),
        Option(
            "--baseline",
            "draw another codec's curve beside it, which `study baseline` or `study evaluate` "
            "wrote; may be repeated",
            type=Path,
            action="append",
            metavar="FILE.json",
        ),
        Option("--json", "print the front as JSON, and draw nothing", action="store_true"),
        FORMAT,
        ROOT,
    ),
    about="""\
The table has the front first. The front's ends and its knee have names, the same as in `study
export` and MLflow. Below the table stand the gaps in the front, and whether more trials would help.
A study that still runs can be shown too.

examples:
  study front quickstart-001    the table, and its page and pictures drawn anew
  study front quickstart-001 --with quickstart-002
                                draws another study's front beside it; `study compare` has numbers
  study front quickstart-001 --baseline draco-evaluation.json
                                draws another codec's curve beside it
  study front quickstart-001 --json
                                the front as JSON, for scripts; nothing is drawn
  study front quickstart-001 --json --format mpeg
                                the same as a sheet of MPEG's AI-PCC, with a row for each cloud and
                                trial; compressai is a result file with a point for each trial""",
    run="study.commands.front:show",
)

COMPARE = Command(
    "compare",
    "say how much better one study's front is than another's, and how sure that is",
    options=(
        Option("first", "the study to compare with", metavar="A"),
        Option("second", "the study that is compared", metavar="B"),
        ROOT,
    ),
    about="""\
BD-rate is the average difference in rate at equal quality, over the qualities that both fronts
reach; BD-PSNR is the average difference in quality at equal rate. The interval comes from a
bootstrap: trials are drawn anew from those of each study, many times, and 95 % of the averages lie
in it. If it contains zero, the difference may be luck.

examples:
  study compare quickstart-001 quickstart-002
                                the second against the first
  study front quickstart-001 --with quickstart-002
                                draws both""",
    run="study.commands.compare:show",
)

STATUS = Command(
    "status",
    "say how far studies are",
    options=(
        Option("name", "one study's name; without it, all are listed", nargs="?", metavar="NAME"),
        ROOT,
    ),
    about="""\
It reads each study's own records, so it works while a study runs, and after it was killed.

examples:
  study status                  all studies, and whether anyone works on them
  study status quickstart-001   its trials: how far each came, and why any failed""",
    run="study.commands.status:show",
)

PREPARE = Command(
    "prepare",
    "prepare a study's data set, and nothing else",
    options=(STUDY_FILE,),
    about="""\
`study run` does the same when the data set is not there yet.

examples:
  study prepare                 the quick start's data set
  study prepare vae             that of the autoencoder's study
  study prepare mine.yaml       that of a study of yours, as its data section says""",
    run="study.commands.running:prepare",
    check="study.commands.checks:check_study_file",
)

EXPLAIN = Command(
    "explain",
    "say what a study file may hold",
    options=(
        Option(
            "section",
            "one section or key, such as search or loss.bpp_lambda",
            nargs="?",
            metavar="SECTION",
        ),
        Option(
            "--family",
            "the family of models whose keys are told: dpcc, or one of yours as module:Class",
            default="dpcc",
            metavar="FAMILY",
        ),
    ),
    about="""\
examples:
  study explain                 every key, its default and what it means
  study explain search          one section
  study explain loss.bpp_lambda
                                one key
  study explain metrics         what objectives and constraints may be on""",
    run="study.commands.explain:show",
)

UI = Command(
    "ui",
    "look at a study, or all, with MLflow, on this machine only",
    options=(
        Option("name", "a study; without it, all of them", nargs="?", metavar="NAME"),
        Option("--port", "where it listens (the first free one from 5000)", type=int, metavar="P"),
        ROOT,
    ),
    about="""\
Starts MLflow's server for this machine only, without the parts that run foreign code (its
assistant, jobs, pickles), and prints links once it answers. Only who has a link gets in. Ctrl-C
ends it. Where a study is recorded on a server of its own (tracking.uri), the links go there and no
server is started.

examples:
  study ui quickstart-001              its front, its trials as a chart and as a table
  study ui                             all studies
  study ui quickstart-001 --port 5005  where port 5000 is wanted for something else""",
    run="study.commands.ui:show",
    check="study.commands.checks:check_study",
)

MLFLOW = Command(
    "mlflow",
    "write what MLflow lacks of a study, also into an empty server",
    options=(
        Option("action", "sync: bring MLflow up to date", choices=("sync",)),
        STUDY,
        ROOT,
        Option(
            "--uri",
            "a tracking server or database, in place of the study's own (tracking.uri)",
        ),
    ),
    about="""\
Writes runs, numbers, tags, data sets and files, whatever MLflow lacks. The study's own records are
the truth. What MLflow has already is left alone, so a second call changes nothing.

examples:
  study mlflow sync quickstart-001
  study mlflow sync quickstart-001 --uri http://127.0.0.1:5000
                                another server than the study's own""",
    run="study.commands.mlflow:sync",
    check="study.commands.checks:check_study",
)

COMMANDS = (RUN, RESUME, FRONT, COMPARE, STATUS, PREPARE, EXPLAIN, UI, MLFLOW)
