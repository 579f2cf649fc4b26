#include "text/jinja/python/value.h"

#include <algorithm>

#include "base/check.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

// A Dict this small is searched faster than hashed.
constexpr size_t kIndexFrom = 12;

}  // namespace

Cell::Cell(size_t bytes) { ChargeBytes(bytes); }

void Cell::Hold(const Value& value) {
  depth = std::max(depth, value.depth() + 1);
  if (depth > kMaxDepth) Raise(Fault::kLimit, "values are nested too deeply");
}

std::string Absence::Message() const {
  if (!hint.empty()) return hint;
  if (owner_type.empty()) return name + " is undefined";
  if (!name_is_text) return owner_type + " has no element " + name;
  return "'" + owner_type + "' has no attribute " + name;
}

Value Value::Bool(bool value) {
  Value result(Kind::kBool);
  result.integer_ = value ? 1 : 0;
  return result;
}

Value Value::Integer(Int value) {
  Value result(Kind::kInt);
  result.integer_ = value;
  return result;
}

Value Value::Float(double value) {
  Value result(Kind::kFloat);
  result.float_ = value;
  return result;
}

Value Value::String(std::string text, bool markup) {
  return Value(Kind::kString, std::make_shared<Text>(std::move(text), markup));
}

Value Value::List(std::vector<Value> items) {
  return Value(Kind::kList, std::make_shared<Sequence>(std::move(items)));
}

Value Value::Tuple(std::vector<Value> items) {
  return Value(Kind::kTuple, std::make_shared<Sequence>(std::move(items)));
}

Value Value::Group(Value key, Value members) {
  auto pair = std::make_shared<Sequence>(std::vector<Value>{std::move(key), std::move(members)});
  pair->group = true;
  return Value(Kind::kTuple, std::move(pair));
}

Value Value::Of(std::shared_ptr<Dict> dict) { return Value(Kind::kDict, std::move(dict)); }

Value Value::Of(std::shared_ptr<Object> object) { return Value(Kind::kObject, std::move(object)); }

Value Value::Undefined(std::string_view name) {
  auto absence = std::make_shared<Absence>();
  absence->name = ReprText(name);
  return Value(Kind::kUndefined, std::move(absence));
}

Value Value::UndefinedBecause(std::string_view reason) {
  auto absence = std::make_shared<Absence>();
  absence->hint = std::string(reason);
  return Value(Kind::kUndefined, std::move(absence));
}

Value Value::UndefinedIn(const Value& owner, const Value& name, bool forbidden) {
  auto absence = std::make_shared<Absence>();
  absence->owner_type = ObjectTypeName(owner);
  absence->name = Repr(name);
  absence->name_is_text = name.is(Kind::kString);
  absence->forbidden = forbidden;
  if (forbidden) {
    absence->hint =
        "access to attribute " + absence->name + " of '" + TypeName(owner) + "' object is unsafe.";
  }
  return Value(Kind::kUndefined, std::move(absence));
}

double Value::number() const {
  return kind_ == Kind::kFloat ? float_ : static_cast<double>(integer_);
}

const Text& Value::text() const {
  QUIRE_CHECK(kind_ == Kind::kString);
  return static_cast<const Text&>(*cell_);
}

const std::string& Value::str() const { return text().text; }

const std::vector<Value>& Value::items() const {
  QUIRE_CHECK(is_sequence());
  return static_cast<const Sequence&>(*cell_).items;
}

bool Value::is_group() const {
  return kind_ == Kind::kTuple && static_cast<const Sequence&>(*cell_).group;
}

const Dict& Value::dict() const {
  QUIRE_CHECK(kind_ == Kind::kDict);
  return static_cast<const Dict&>(*cell_);
}

Object& Value::object() const {
  QUIRE_CHECK(kind_ == Kind::kObject);
  return static_cast<Object&>(*cell_);
}

const Absence& Value::absence() const {
  QUIRE_CHECK(kind_ == Kind::kUndefined);
  return static_cast<const Absence&>(*cell_);
}

Text::Text(std::string utf8, bool is_markup)
    : Cell(sizeof(Text) + utf8.size()),
      text(std::move(utf8)),
      length(CodePointCount(text)),
      markup(is_markup) {}

Sequence::Sequence(std::vector<Value> values)
    : Cell(sizeof(Sequence) + values.size() * sizeof(Value)), items(std::move(values)) {
  for (const Value& item : items) Hold(item);
}

const Value* Dict::Find(const Value& key) const {
  const size_t hash = ValueHash{}(key);  // refuses unhashable keys whatever the size
  static_cast<void>(hash);
  if (entries.size() >= kIndexFrom) {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &entries[found->second].second;
  }
  for (const Entry& entry : entries) {
    if (Equal(entry.first, key)) return &entry.second;
  }
  return nullptr;
}

const Value* Dict::Find(std::string_view key) const {
  if (entries.size() >= kIndexFrom) return Find(Value::String(std::string(key)));
  for (const Entry& entry : entries) {
    if (entry.first.is(Kind::kString) && entry.first.str() == key) return &entry.second;
  }
  return nullptr;
}

void Dict::Set(const Value& key, Value value) {
  Hold(key);
  Hold(value);
  if (const Value* old = Find(key)) {
    *const_cast<Value*>(old) = std::move(value);
    return;
  }
  ChargeBytes(sizeof(Entry));
  entries.emplace_back(key, std::move(value));
  if (entries.size() == kIndexFrom) {
    for (size_t i = 0; i < entries.size(); ++i) index_.emplace(entries[i].first, i);
  } else if (entries.size() > kIndexFrom) {
    index_.emplace(key, entries.size() - 1);
  }
}

std::string Object::Repr() const { return "<" + TypeName() + " object>"; }

}  // namespace quire::jinja
