// The first process of a test's nodes: shows what it was given, makes itself a
// child and a cgroup as an agent would, and ends at SIGTERM.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

namespace {

void report(const char* what, bool good) {
  std::fprintf(stdout, "%s=%s\n", what, good ? "yes" : "no");
  std::fflush(stdout);
}

bool exists(const char* path) {
  struct stat info {};
  return ::stat(path, &info) == 0;
}

bool write_file(const char* path) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const bool good = fd >= 0 && ::write(fd, "x", 1) == 1;
  ::close(fd);
  return good;
}

}  // namespace

int main() {
  sigset_t terminate;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  sigprocmask(SIG_BLOCK, &terminate, nullptr);

  report("first", ::getpid() == 1);
  report("config", exists("/etc/vk8s/config/node.json"));
  report("config-writable", write_file("/etc/vk8s/config/forged"));
  report("volume-writable", write_file("/var/lib/vk8s/kept"));
  report("root-writable", write_file("/written"));
  report("kmsg", exists("/dev/kmsg"));
  report("eth0", exists("/sys/class/net/eth0"));
  report("forwarding", exists("/proc/sys/net/ipv4/ip_forward"));
  // Mounts that must not be seen on the machine, in the root and on the volume.
  ::mkdir("/var/lib/vk8s/inner", 0755);
  ::mkdir("/inner", 0755);
  ::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr);
  report("mount", ::mount("tmpfs", "/var/lib/vk8s/inner", "tmpfs", 0, nullptr) == 0 &&
                      ::mount("tmpfs", "/inner", "tmpfs", 0, nullptr) == 0);
  ::mkdir("/sys/fs/cgroup/memory/inner", 0755);
  ::mkdir("/sys/fs/cgroup/inner", 0755);
  if (::fork() == 0) {
    while (true) {
      ::pause();
    }
  }
  report("ready", true);
  if (exists("/etc/vk8s/config/ignore-sigterm")) {
    while (true) {
      ::pause();
    }
  }
  int number = 0;
  sigwait(&terminate, &number);
  return 0;
}
