# Without this every kernel start prints a warning about TCP to the log of a build.
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import drawing

c = get_config()  # noqa: F821 - IPython provides it
c.IPKernelApp.log_level = 40
c.HistoryManager.enabled = False
c.InlineBackend.figure_formats = {"svg"}
drawing.use()
