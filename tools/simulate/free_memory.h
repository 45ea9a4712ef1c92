// What a worker does with memory between two runs.
#pragma once

namespace keelson::simulate {

// Gives memory that nobody uses back to the system, if it is more than a usual run needs: tcmalloc
// keeps it, and one run in a few hundred takes several times as much as the others. Does nothing
// with another allocator.
void give_back_free_memory();

}  // namespace keelson::simulate
