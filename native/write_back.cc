#include "write_back.h"

#ifdef __linux__
#include <fcntl.h>
#endif

namespace snapheap {

#ifdef __linux__

void StartWriteBack(int fd, uint64_t offset, uint64_t size) {
  constexpr uint64_t kMaxOffset = uint64_t{1} << 62;
  if (size == 0 || offset > kMaxOffset || size > kMaxOffset) return;  // the call takes 0 for "to the end"
  sync_file_range(fd, static_cast<off64_t>(offset), static_cast<off64_t>(size), SYNC_FILE_RANGE_WRITE);
}

#else

void StartWriteBack(int, uint64_t, uint64_t) {}

#endif

}  // namespace snapheap
