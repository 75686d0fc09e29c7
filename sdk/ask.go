package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/gatehouse-mcp/gatehouse/sdk/internal/schema"
)

// Asking is the error of a function that needs an answer before it can go on; see [Ask].
type Asking struct {
	questions []Question
	state     []byte
}

var _ error = (*Asking)(nil)

// Ask is the error that a function returns when it must know something from the person behind the client. It is
// called again, with the same arguments, when the answers are there:
//
//	a, ok := c.Answer("zone")
//	if !ok {
//		return out, sdk.Ask(sdk.Question{ID: "zone", Message: "Which zone?", Schema: sdk.SchemaOf[choice]()})
//	}
//	var pick choice
//	if err := a.Into(&pick); err != nil {
//		return out, err // the person declined
//	}
//
// At most 4 questions are asked at a time. Do nothing that counts before the answers are there: an answer may
// never come, and what was returned and shown with the questions is dropped. Where nobody can be asked the call
// is refused.
func Ask(questions ...Question) *Asking { return &Asking{questions: questions} }

// Remember sets what [Call.State] returns when the function is called again, at most 16 KiB, and returns a. It is
// for a tool that asks more than once: of the answers only those to the last questions are sure to be there.
func (a *Asking) Remember(state []byte) *Asking {
	a.state = state
	return a
}

// Error says that an answer is needed.
func (a *Asking) Error() string {
	if len(a.questions) == 0 {
		return "the tool asks, and has no question"
	}
	return "an answer is needed: " + a.questions[0].Message
}

func (a *Asking) result() (Result, error) {
	if len(a.questions) == 0 {
		return Result{}, Errorf(KindUnknown, "%w", a).Suggest("report this to the plugin's author")
	}
	return Result{Questions: a.questions, State: a.state}, nil
}

// Answer is what a person did with a question.
type Answer struct {
	ID      string // of the question
	Action  AnswerAction
	Content json.RawMessage // an object, only with AnswerAccept
}

// Into decodes an answer into the struct that v points to, after holding it to the schema of that type, which is
// that of [SchemaOf]. Without an answer, because the person declined or went away, its error says so; that is a
// validation_error: no fault of the tool's.
func (a Answer) Into(v any) error {
	if a.Action != AnswerAccept {
		return Errorf(KindValidation, "the question %s was not answered: the person chose %q", a.ID, a.Action).
			Suggest("do not ask the same again; say what cannot be done without the answer").With("question", a.ID)
	}
	to := reflect.TypeOf(v)
	if to == nil || to.Kind() != reflect.Pointer {
		return fmt.Errorf("sdk: Answer.Into needs a pointer to a struct, not a %T", v)
	}
	s, err := schema.Of(to.Elem())
	if err != nil {
		return fmt.Errorf("sdk: Answer.Into: %w", err)
	}
	err = s.Check(a.Content)
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(a.Content)).Decode(v)
	}
	if err != nil {
		return Errorf(KindValidation, "the answer to %s: %w", a.ID, err).
			Suggest("answer with an object that fits the question's schema").With("question", a.ID)
	}
	return nil
}

// SchemaOf is the JSON Schema of a struct, for [Question]: its fields are texts, numbers, booleans and lists of
// texts; one without omitempty is required; the tag `jsonschema` is its description. It panics for another type,
// which is the author's mistake.
func SchemaOf[T any]() json.RawMessage {
	s, err := schema.Of(reflect.TypeFor[T]())
	if err == nil && !s.IsObject() {
		err = errors.New("it is no struct")
	}
	if err == nil {
		err = Question{ID: "x", Message: "x", Schema: s.JSON}.Validate()
	}
	if err != nil {
		panic(fmt.Sprintf("sdk: SchemaOf[%v]: %v", reflect.TypeFor[T](), err))
	}
	return s.JSON
}
