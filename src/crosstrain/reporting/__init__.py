"""What people look at: the terminal, the page, tables for papers. Reads results, runs nothing."""
