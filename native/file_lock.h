#pragma once

#include <system_error>

namespace snapheap {

// Locks an open file for as long as that stays open: the kernel drops it when the last descriptor of this opening is
// closed, or its process dies. `resource_unavailable_try_again` when it is locked through another opening.
std::error_code LockOpenFile(int fd);

}  // namespace snapheap
