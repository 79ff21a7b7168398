#include "file_name.h"

#ifndef _WIN32
#include <sys/stat.h>

namespace snapheap {

bool NamesFile(const std::string& path, int fd, uint64_t size_bytes) {
  struct stat named;
  struct stat open;
  if (stat(path.c_str(), &named) != 0 || fstat(fd, &open) != 0) return false;
  return named.st_ino == open.st_ino && named.st_dev == open.st_dev && static_cast<uint64_t>(open.st_size) >= size_bytes;
}

}  // namespace snapheap

#endif
