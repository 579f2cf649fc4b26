// text/jinja/python/value.h -- what a template computes with: Python's values, as far as it sees
// them.
//
// A Value is a small handle. Numbers lie in it; text and containers are shared and never change
// once made (the sandbox forbids changing lists and dicts), so copying is cheap and there are no
// cycles but through namespaces, which the interpreter takes apart at the end of a rendering.
//
// Invariants
//   V1  text is UTF-8; a lone surrogate from a string escape is kept as three bytes, and refused
//   when
//       it would reach the output.
//   V2  depth() of a container is above that of all it holds and at most kMaxDepth, so that walking
//       and destroying values recursively is safe on any stack.
//   V3  a Dict's keys are hashable and pairwise unequal, in order of first insertion.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace quire::jinja {

// Wide enough for every product of two 64-bit numbers; beyond it is an OverflowError.
__extension__ typedef __int128 Int;

enum class Kind : uint8_t {
  kMissing,  // "no value at all": an argument not given, a variable not set; never reaches a
             // template
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kObject,
};

// What shared values have in common.
struct Cell {
  static constexpr uint32_t kMaxDepth = 900;

  explicit Cell(size_t bytes);  // charges the meter
  virtual ~Cell() = default;
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;

  void Hold(const class Value& value);  // V2: raises depth, refuses beyond kMaxDepth
  uint32_t depth = 0;
};

struct Text;
struct Sequence;
struct Dict;
struct Object;

// Why a value is undefined; the words of the error when it is used.
struct Absence : Cell {
  Absence() : Cell(sizeof(Absence)) {}
  std::string Message() const;
  std::string hint;        // the whole message, if not empty
  std::string name;        // as Python's repr would show it
  std::string owner_type;  // type of the object that lacks `name`; empty for a variable
  bool name_is_text = true;
  bool forbidden = false;  // the sandbox hides it: use is a SecurityError
};

class Value {
 public:
  Value() = default;  // kMissing
  static Value None() { return Value(Kind::kNone); }
  static Value Bool(bool value);
  static Value Integer(Int value);
  static Value Float(double value);
  static Value String(std::string text, bool markup = false);
  static Value List(std::vector<Value> items);
  static Value Tuple(std::vector<Value> items);
  static Value Group(Value key, Value members);  // a pair with .grouper and .list (groupby)
  static Value Of(std::shared_ptr<Dict> dict);
  static Value Of(std::shared_ptr<Object> object);
  static Value Undefined(std::string_view name);           // a variable
  static Value UndefinedBecause(std::string_view reason);  // with its whole message
  static Value UndefinedIn(const Value& owner, const Value& name, bool forbidden = false);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_number() const {
    return kind_ == Kind::kBool || kind_ == Kind::kInt || kind_ == Kind::kFloat;
  }
  bool is_integral() const { return kind_ == Kind::kBool || kind_ == Kind::kInt; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }

  // Each requires its kind.
  bool boolean() const { return integer_ != 0; }
  Int integer() const { return integer_; }  // of a bool too
  double number() const;                    // of a bool, int or float
  const Text& text() const;
  const std::string& str() const;
  const std::vector<Value>& items() const;  // of a list or tuple
  bool is_group() const;                    // a tuple made by Group
  const Dict& dict() const;
  Object& object() const;
  const Absence& absence() const;
  template <typename T>
  T* object_as() const;  // null unless a kObject of that class

  const Cell* cell() const { return cell_.get(); }  // identity; null for numbers and None
  uint32_t depth() const { return cell_ ? cell_->depth : 0; }

 private:
  explicit Value(Kind kind) : kind_(kind) {}
  Value(Kind kind, std::shared_ptr<Cell> cell) : kind_(kind), cell_(std::move(cell)) {}

  Kind kind_ = Kind::kMissing;
  union {
    Int integer_ = 0;
    double float_;
  };
  std::shared_ptr<Cell> cell_;
};

struct Text : Cell {
  Text(std::string utf8, bool is_markup);
  bool ascii() const { return length == text.size(); }
  const std::string text;
  const size_t length;  // code points
  const bool markup;    // already escaped: markupsafe.Markup
};

struct Sequence : Cell {
  explicit Sequence(std::vector<Value> values);
  const std::vector<Value> items;
  bool group = false;  // made by Value::Group
};

struct ValueHash {
  size_t operator()(const Value& value) const;  // TypeError for lists and dicts
};
struct ValueEqual {
  bool operator()(const Value& a, const Value& b) const;
};

struct Dict : Cell {
  using Entry = std::pair<Value, Value>;
  Dict() : Cell(sizeof(Dict)) {}
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;
  void Set(const Value& key, Value value);  // only while it is being made
  std::vector<Entry> entries;

 private:
  std::unordered_map<Value, size_t, ValueHash, ValueEqual> index_;  // entries' places, once many
};

// What a call passes: positional, then by name.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// A value with behaviour. The defaults are those of a Python object that has nothing special.
struct Object : Cell {
  Object() : Cell(sizeof(Object)) {}
  virtual std::string TypeName() const = 0;
  virtual std::string Repr() const;
  virtual Value Attribute(std::string_view) const { return {}; }  // kMissing: has none
  virtual Value Item(const Value&) const { return {}; }           // obj[key]; kMissing: no such
  virtual bool Call(Arguments&, Value*) { return false; }         // false: not callable
  virtual bool Callable() const { return false; }
  virtual bool Iterate(std::shared_ptr<struct Iterator>*) { return false; }
  virtual Value Length() const { return {}; }  // kMissing: has no len()
};

template <typename T>
T* Value::object_as() const {
  return kind_ == Kind::kObject ? dynamic_cast<T*>(cell_.get()) : nullptr;
}

}  // namespace quire::jinja
