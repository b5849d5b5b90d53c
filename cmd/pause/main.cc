// The program of a pod's sandbox container: it holds the pod's namespaces until
// it is told to stop, and reaps orphans where a pod shares its PID namespace.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

int main() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGCHLD);
  // Blocked signals reach PID 1 too: sigwait() takes them without a handler.
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return 1;
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) return 1;
    if (signal != SIGCHLD) return 0;
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}
