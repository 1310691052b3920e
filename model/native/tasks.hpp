// Tasks that may run side by side, and run out of memory.

#pragma once

#include <cstdint>
#include <new>

// Runs work(0) to work(count - 1); tells whether memory ran out in any. No exception may leave a
// thread, nor a function that C calls: it would take the process with it.
template <class Work>
static int in_tasks(int64_t count, int threads, Work work) {
  int ran_out = 0;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1) reduction(| : ran_out)
  for (int64_t task = 0; task < count; ++task) {
    try {
      work(task);
    } catch (const std::bad_alloc&) {
      ran_out = 1;
    }
  }
  return ran_out;
}
