# Without this every kernel start prints a warning about TCP to the log of a build.
c = get_config()  # noqa: F821 - IPython provides it
c.IPKernelApp.log_level = 40
c.HistoryManager.enabled = False
