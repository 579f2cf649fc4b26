// Filters that compare items with each other: sort, unique, min, groupby (registry.h:
// OrderFilters).
#include <algorithm>
#include <unordered_set>

#include "text/jinja/attribute_path.h"
#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/merge_sort.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/search.h"
#include "text/jinja/registry.h"

namespace quire::jinja {
namespace {

struct Keyed {
  Value key;
  Value item;
};

// Python's sorted(): stable, also when reversed.
void Sort(std::vector<Keyed>* items, bool reverse) {
  MergeSort(items, [reverse](const Keyed& a, const Keyed& b) {
    return reverse ? Compare("<", b.key, a.key) : Compare("<", a.key, b.key);
  });
}

// The key by which sort() compares: a list of attributes, as with "a,b".
Value SortKey(const std::vector<AttributePath>& paths, const Value& item) {
  std::vector<Value> keys;
  for (const AttributePath& path : paths) keys.push_back(path.Get(item));
  return Value::List(std::move(keys));
}

Value SortFilter(const Arguments& arguments) {
  const Bound args("sort", {"value", "reverse", "case_sensitive", "attribute"}, 1, arguments);
  const bool fold = !args.Flag(2, false);
  std::vector<AttributePath> paths;
  if (args.given(3) && args[3].is(Kind::kString)) {
    for (const std::string& part : Split(args[3].str(), Value::String(","), -1)) {
      paths.emplace_back(Value::String(part), fold);
    }
  } else {
    paths.emplace_back(args[3], fold);
  }
  std::vector<Keyed> items;
  for (const Value& item : Collect(args[0])) items.push_back({SortKey(paths, item), item});
  Sort(&items, args.Flag(1, false));
  std::vector<Value> sorted;
  for (Keyed& keyed : items) sorted.push_back(std::move(keyed.item));
  return Value::List(std::move(sorted));
}

Value Unique(const Arguments& arguments) {
  const Bound args("unique", {"value", "case_sensitive", "attribute"}, 1, arguments);
  const AttributePath path(args[2], !args.Flag(1, false));
  auto seen = std::make_shared<std::unordered_set<Value, ValueHash, ValueEqual>>();
  auto pull = [value = args[0], path, seen,
               source = std::shared_ptr<Iterator>()](Value* item) mutable {
    if (!source) source = MakeIterator(value);
    while (source->Next(item)) {
      ChargeBytes(sizeof(Value));
      if (seen->insert(path.Get(*item)).second) return true;
    }
    return false;
  };
  return Value::Of(NewIterator("generator", args[0], std::move(pull)));
}

template <bool kMax>
Value Extreme(const Arguments& arguments) {
  const Bound args(kMax ? "max" : "min", {"value", "case_sensitive", "attribute"}, 1, arguments);
  const AttributePath path(args[2], !args.Flag(1, false));
  const std::shared_ptr<Iterator> iterator = MakeIterator(args[0]);
  Value best;
  if (!iterator->Next(&best)) {
    return Value::UndefinedBecause("No aggregated item, sequence was empty.");
  }
  Value best_key = path.Get(best);
  for (Value item; iterator->Next(&item);) {
    Value key = path.Get(item);
    if (kMax ? Compare(">", key, best_key) : Compare("<", key, best_key)) {
      best = item;
      best_key = std::move(key);
    }
  }
  return best;
}

Value GroupBy(const Arguments& arguments) {
  const Bound args("groupby", {"value", "attribute", "default", "case_sensitive"}, 2, arguments);
  AttributePath path(args[1], !args.Flag(3, false));
  AttributePath plain(args[1]);
  path.set_default(args[2]);
  plain.set_default(args[2]);
  std::vector<Keyed> items;
  for (const Value& item : Collect(args[0])) items.push_back({path.Get(item), item});
  Sort(&items, false);
  std::vector<Value> groups;
  for (size_t i = 0; i < items.size();) {
    const size_t first = i;
    std::vector<Value> members;
    while (i < items.size() && Equal(items[i].key, items[first].key)) {
      members.push_back(items[i++].item);
    }
    const Value key = plain.Get(members[0]);
    groups.push_back(Value::Group(key, Value::List(std::move(members))));
  }
  return Value::List(std::move(groups));
}

}  // namespace

const std::vector<NamedFilter>& OrderFilters() {
  static const std::vector<NamedFilter> filters = {
      {"groupby", GroupBy}, {"max", Extreme<true>}, {"min", Extreme<false>},
      {"sort", SortFilter}, {"unique", Unique},
  };
  return filters;
}

const std::vector<NamedFilter>& DictFilters() {
  static const std::vector<NamedFilter> filters = {
      {"dictsort",
       [](const Arguments& arguments) {
         const Bound args("dictsort", {"value", "case_sensitive", "by", "reverse"}, 1, arguments);
         const std::string by = args.given(2) ? args.String(2) : "key";
         if (by != "key" && by != "value") {
           Raise(Fault::kRuntime, "You can only sort by either \"key\" or \"value\"");
         }
         RequireDefined(args[0]);
         if (!args[0].is(Kind::kDict)) Raise(Fault::kAttribute, "dictsort needs a mapping");
         std::vector<Keyed> items;
         for (const Dict::Entry& entry : args[0].dict().entries) {
           const Value& key = by == "key" ? entry.first : entry.second;
           items.push_back({args.Flag(1, false) ? key : FoldCase(key),
                            Value::Tuple({entry.first, entry.second})});
         }
         Sort(&items, args.Flag(3, false));
         std::vector<Value> sorted;
         for (Keyed& keyed : items) sorted.push_back(std::move(keyed.item));
         return Value::List(std::move(sorted));
       }},
      {"items",
       [](const Arguments& arguments) {
         const Bound args("items", {"value"}, 1, arguments);
         auto pull = [value = args[0], source = std::shared_ptr<Iterator>()](Value* item) mutable {
           if (value.is(Kind::kUndefined)) return false;
           if (!value.is(Kind::kDict)) {
             Raise(Fault::kType, "Can only get item pairs from a mapping.");
           }
           if (!source) DictView(value, DictView::Part::kItems).Iterate(&source);
           return source->Next(item);
         };
         return Value::Of(NewIterator("generator", args[0], std::move(pull)));
       }},
  };
  return filters;
}

}  // namespace quire::jinja
