#include "folder_sync.h"

#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace snapheap {

#ifdef _WIN32

std::error_code SyncFolder(const std::string&) { return {}; }

#else

std::error_code SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return {errno, std::system_category()};
  int result;
  do result = fsync(fd);
  while (result != 0 && errno == EINTR);
  const int error = result == 0 ? 0 : errno;
  close(fd);
  // Some file systems have nothing to flush for a folder and say so with EINVAL.
  return {error == EINVAL ? 0 : error, std::system_category()};
}

#endif

}  // namespace snapheap
