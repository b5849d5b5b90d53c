// Hands every call on to another Client, and counts: what an installation costs. On the
// loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "kube/client.h"

namespace vk8s::addons::testing {

class CountingClient final : public kube::Client {
 public:
  struct Counts {
    std::map<std::string, int> requests;  // by verb
    int conflicts = 0;                    // answers
    int failed_webhooks = 0;              // answers: a webhook was called that is not there
    int total() const;
  };
  // Verb, resource, name; after the call was answered without error.
  using OnDone =
      std::function<void(const std::string&, const kube::Resource&, const kube::ObjectKey&)>;

  explicit CountingClient(std::unique_ptr<kube::Client> client, OnDone on_done = nullptr)
      : client_(std::move(client)), on_done_(std::move(on_done)) {}

  const Counts& counts() const { return counts_; }

  kube::Call get(const kube::Resource&, const kube::ObjectKey&, Callback) override;
  kube::Call list(const kube::Resource&, std::string_view namespace_name, const kube::ListOptions&,
                  Callback) override;
  kube::Call create(const kube::Resource&, std::string_view namespace_name, const Json& object,
                    Callback, bool dry_run = false) override;
  kube::Call update(const kube::Resource&, const Json& object, Callback) override;
  kube::Call apply(const kube::Resource&, const Json& object, const kube::ApplyOptions&, Callback,
                   std::string_view subresource = "") override;
  kube::Call merge_patch(const kube::Resource&, const kube::ObjectKey&, const Json& patch, Callback,
                         std::string_view subresource = "") override;
  kube::Call remove(const kube::Resource&, const kube::ObjectKey&, const kube::DeleteOptions&,
                    Callback) override;
  kube::Call raw(kube::RawRequest, std::function<void(Result<kube::RawResponse>)>) override;
  kube::Call watch(const kube::Resource&, std::string_view namespace_name,
                   const kube::WatchOptions&, std::function<void(kube::WatchEvent)> on_event,
                   std::function<void(Status)> on_done) override;

 private:
  Callback counted(std::string verb, const kube::Resource& resource, kube::ObjectKey key,
                   Callback callback);

  std::unique_ptr<kube::Client> client_;
  const OnDone on_done_;
  Counts counts_;
};

}  // namespace vk8s::addons::testing
