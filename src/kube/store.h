// The objects of one kind as an informer last saw them: a lister for any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "kube/client.h"

namespace vk8s::kube {

// Objects are shared and never change; a newer version is another object.
using ObjectPtr = std::shared_ptr<const Json>;

// The values under which an object is found in one index.
using IndexFunction = std::function<std::vector<std::string>(const Json&)>;

// By the value of a label; objects without it are in no place.
IndexFunction index_by_label(std::string label);
// By the uid of each owner reference.
IndexFunction index_by_owner();

class Store {
 public:
  // Name -> function.
  explicit Store(std::map<std::string, IndexFunction> indexes = {});

  // nullptr where there is none.
  ObjectPtr get(const ObjectKey& key) const;
  std::vector<ObjectPtr> list() const;
  std::vector<ObjectPtr> list(std::string_view namespace_name) const;
  // Of an index the store was made with; an unknown one is empty.
  std::vector<ObjectPtr> find(std::string_view index, std::string_view value) const;
  std::size_t size() const;

  // For who fills it. Both return what was there before.
  ObjectPtr put(const ObjectKey& key, ObjectPtr object);
  ObjectPtr erase(const ObjectKey& key);
  std::vector<ObjectKey> keys() const;

 private:
  using Places = std::map<std::string, std::set<ObjectKey>, std::less<>>;
  struct Index {
    IndexFunction function;
    Places places;
  };
  void unindex(const ObjectKey& key, const Json& object);

  mutable std::shared_mutex mutex_;
  // Guarded by mutex_.
  std::map<ObjectKey, ObjectPtr> objects_;
  std::map<std::string, Index, std::less<>> indexes_;
};

}  // namespace vk8s::kube
