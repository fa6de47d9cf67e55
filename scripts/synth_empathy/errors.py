"""The one exception that a user is meant to see."""


class UserError(Exception):
    """Something the user can mend: what is wrong, and what to do next.

    ``cli.run`` prints both and exits with status 1, without a traceback.

    Args:
        problem: one sentence naming the file, setting or value at fault.
        hint: what to do next; every error a user can meet ends in one.
    """

    def __init__(self, problem: str, hint: str):
        super().__init__(f"{problem}\n  What to do: {hint}")
        self.problem = problem
        self.hint = hint
