#pragma once

#include <cstdint>

namespace snapheap {

// Has the kernel begin to write a range of a file to its device, and does not wait for it: the sync that follows has less
// to do. A hint that promises nothing: errors are left to that sync, and only Linux has such a call. `size` 0 is nothing.
void StartWriteBack(int fd, uint64_t offset, uint64_t size);

}  // namespace snapheap
