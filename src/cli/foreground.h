// Runs another program in the foreground of this one.
#pragma once

#include "base/error.h"
#include "base/event_loop.h"
#include "cli/surroundings.h"
#include "sys/process.h"

namespace vk8s::cli {

// Returns when the program has ended, its exit status whatever it is. Runs the loop
// meanwhile. SIGINT and SIGQUIT of the terminal are the program's; SIGTERM and SIGHUP
// are passed on to it. kNotFound: no such program in the environment's PATH.
Result<sys::ExitStatus> run_in_foreground(EventLoop& loop, const ForegroundCommand& command);

}  // namespace vk8s::cli
