package backupset

// A Tree is a sequence of records in chunks, and the indexes that name them.
type Tree struct {
	Index []Ref `cbor:"1,keyasint"` // files of KindIndex, in order
	Count int64 `cbor:"2,keyasint"` // records
	Bytes int64 `cbor:"3,keyasint"` // of their plaintext
}

// A TreeWriter cuts records into chunks and the list of these into indexes.
type TreeWriter struct {
	codec  *Codec
	emit   func(k Kind, id ID, plain []byte) error
	chunks *Chunker
	index  *Chunker
	tree   Tree
	sum    Ref // of the index under way
}

// NewTreeWriter returns a writer that hands each file to emit, an index after the
// chunks that it names. The plaintext is valid during the call.
func (c *Codec) NewTreeWriter(emit func(k Kind, id ID, plain []byte) error) *TreeWriter {
	t := &TreeWriter{codec: c, emit: emit}
	t.chunks = c.NewChunker(t.chunk)
	t.index = c.NewChunker(t.indexed)
	return t
}

// Add adds a record.
func (t *TreeWriter) Add(key, value []byte) error { return t.chunks.Add(key, value) }

func (t *TreeWriter) chunk(c Chunk) error {
	r := Ref{First: c.First, ID: t.codec.ChunkID(KindRows, c.Plain), Count: c.Count, Bytes: int64(len(c.Plain))}
	if err := t.emit(KindRows, r.ID, c.Plain); err != nil {
		return err
	}
	t.tree.Count += r.Count
	t.tree.Bytes += r.Bytes
	value := r.value()
	if t.index.count > 0 && len(t.index.plain)+recordSize(r.First, value) > maxChunk {
		if err := t.index.Flush(); err != nil {
			return err
		}
	}
	t.sum.Count += r.Count
	t.sum.Bytes += r.Bytes
	return t.index.Add(r.First, value)
}

// indexed takes a whole index.
func (t *TreeWriter) indexed(c Chunk) error {
	r := Ref{First: append([]byte(nil), c.First...), ID: t.codec.ChunkID(KindIndex, c.Plain), Count: t.sum.Count, Bytes: t.sum.Bytes}
	t.sum = Ref{}
	t.tree.Index = append(t.tree.Index, r)
	return t.emit(KindIndex, r.ID, c.Plain)
}

// Close ends the last files and returns the tree.
func (t *TreeWriter) Close() (Tree, error) {
	if err := t.chunks.Flush(); err != nil {
		return Tree{}, err
	}
	if err := t.index.Flush(); err != nil {
		return Tree{}, err
	}
	return t.tree, nil
}
