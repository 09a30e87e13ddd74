#pragma once

namespace metatape {

/// Data sets and checkpoints are read where they are mapped. If somebody copies over such a file or
/// cuts it, reading it is the signal SIGBUS: from here on the command then names the file and ends
/// with exit code 3 instead of dying without a word.
void name_lost_files();

}  // namespace metatape
