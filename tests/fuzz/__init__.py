"""Every reader is a border: seeded damage to each format that a stranger may hand over.

    python -m tests.fuzz --minutes 10                        # all formats, counts at the end
    python -m tests.fuzz --format report --seed 0 --case 17  # one case again, with its traceback

A case is a number: format, seed and number alone decide what is damaged and how. Reading it must
end in one sentence or in data that are not falsified (each format says what that means), within
2 s and 500 MB. Cases run in child processes, so that one which takes the interpreter along is found
too, and named.
"""
