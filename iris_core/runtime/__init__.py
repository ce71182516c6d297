"""What a run stands on: devices, files, its folder, the command line."""
