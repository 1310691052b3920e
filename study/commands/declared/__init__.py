"""The command line as data: every command, its options, its help, and who carries it out.

Nothing in this package imports what takes time, for every call of `study` imports all of it.
"""

from __future__ import annotations

from study.commands.declared import codecs, simulation, studies, taking

COMMANDS = (*studies.COMMANDS, *taking.COMMANDS, *codecs.COMMANDS, *simulation.COMMANDS)
"""In the order of the help."""
