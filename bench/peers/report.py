"""Result files: whoever reads one sees the old or the new, never half of one.

Standard library only, so that `run` needs nothing else.
"""

import datetime
import json
import os
from pathlib import Path


def write_json(path, value):
    path = Path(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(value, indent=2) + "\n")
    partial.replace(path)


class Report:
    """The result of one peer; each addition is on disk when the call returns."""

    def __init__(self, path, **fields):
        self.path = path
        date = datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds")
        self.fields = {"date": date} | fields
        write_json(self.path, self.fields)

    def add(self, precision, **fields):
        self.fields["precisions"].setdefault(precision, {}).update(fields)
        write_json(self.path, self.fields)
