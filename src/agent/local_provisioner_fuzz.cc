#include "agent/local_provisioner.h"
#include "base/fuzz.h"

namespace {
using namespace vk8s;

constexpr const char* kNode = "a-worker-1";

// Its name becomes that of a folder, which is made and removed as root.
void check_name(std::string_view name) {
  fuzz::require(
      name.starts_with("pvc-") && name.size() > 4 && name.size() <= 68 &&
          name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos,
      "a volume's folder is in the folder of volumes");
}

void check_claim(const Json& claim) {
  const auto request = agent::read_claim(claim, kNode);
  if (!request) {
    return;
  }
  check_name(request->volume_name);
  const Json volume =
      agent::local_volume(*request, kNode, "/volumes/" + request->volume_name, "Delete");
  fuzz::require(base::get_string(volume, "spec.local.path") == "/volumes/" + request->volume_name,
                "the path is this node's word");
  fuzz::require(base::get_string(volume, "spec.claimRef.uid") == request->claim_uid,
                "the volume is that very claim's");
  fuzz::require(!agent::is_to_be_deleted(volume, kNode), "a new volume is kept");
  agent::reschedule_patch(*request);
  agent::refusal(*request, kNode);
}

void check_volume(const Json& volume) {
  if (agent::is_to_be_deleted(volume, kNode)) {
    check_name(base::get_string(volume, "metadata.name").value_or(""));
    fuzz::require(!agent::is_to_be_deleted(volume, "another"), "a volume has one node");
  }
}

}  // namespace

// The input is a PersistentVolumeClaim or a PersistentVolume.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (const auto object = base::parse_json(fuzz::text_of(data, size))) {
    check_claim(*object);
    check_volume(*object);
  }
  return 0;
}
