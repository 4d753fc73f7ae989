"""What everything else stands on: errors, events, processes, time, files of one kind or another."""
