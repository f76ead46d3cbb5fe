"""A sweep: suite, plan, forecast, worker processes, runner."""
