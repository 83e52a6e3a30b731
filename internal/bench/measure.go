package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// A workload is an operation that is ready to run at an endpoint.
type workload struct {
	beforeRun func(ctx context.Context) error
	start     func() func(client int) (step, func())
	close     func(ctx context.Context) error
}

// measure prepares an operation, runs it o.runs times, removes what it made, and
// returns the report of the run with the median rate. What is left behind when
// the removal fails is an error beside the report.
func measure(ctx context.Context, e *environment, o options, rand io.Reader) (rep *report, err error) {
	op, ok := findOperation(o.op)
	if !ok {
		return nil, usageError(fmt.Sprintf("operation %q is none of %s", o.op, operationNames()))
	}
	if o.size == 0 {
		o.size = op.size
	}
	if o.objects == 0 && op.prepared != nil {
		o.objects = op.prepared(&o)
	}
	if op.consumes {
		o.warmup = 0
	}
	w, err := open(ctx, e, &o, op, rand)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	var reports []*report
	for range o.runs {
		if err := w.beforeRun(ctx); err != nil {
			return nil, fmt.Errorf("prepare objects: %w", err)
		}
		var cpu []time.Duration
		l := load{clients: o.clients, warmup: o.warmup, duration: o.duration, newStep: w.start()}
		if o.serverPID != 0 {
			l.probe = func() { cpu = append(cpu, cpuTime(o.serverPID)) }
		}
		t, err := l.run(ctx)
		if err != nil {
			return nil, err
		}
		r := newReport(&o, e, t)
		if len(cpu) == 2 && t.work > 0 {
			r.ServerCPU = round(milliseconds(cpu[1]-cpu[0])/t.work, 4)
		}
		reports = append(reports, r)
	}
	slices.SortFunc(reports, func(a, b *report) int { return cmp.Compare(a.OperationsPerSecond, b.OperationsPerSecond) })
	return reports[(len(reports)-1)/2], nil
}

// open prepares an operation of either service.
func open(ctx context.Context, e *environment, o *options, op operation, rand io.Reader) (*workload, error) {
	var keys *keyService
	var err error
	if op.kms || o.sse == "kms" || o.sse == "dsse" {
		if keys, err = openKeys(ctx, e, o); err != nil {
			return nil, err
		}
		o.kmsKey = keys.key
	}
	closeKeys := func(ctx context.Context) error {
		if keys == nil {
			return nil
		}
		return keys.close(ctx, o)
	}
	if op.kms {
		requests, err := keys.requests(ctx, o.op, o.objects)
		if err != nil {
			return nil, errors.Join(err, closeKeys(ctx))
		}
		return &workload{
			beforeRun: func(context.Context) error { return nil },
			start:     func() func(int) (step, func()) { return keys.newStep(requests) },
			close:     closeKeys,
		}, nil
	}
	s, err := openSession(ctx, e, o, rand)
	if err != nil {
		return nil, errors.Join(err, closeKeys(ctx))
	}
	filled := false
	return &workload{
		beforeRun: func(ctx context.Context) error {
			if op.prepared == nil || filled {
				return nil
			}
			filled = !op.consumes
			return s.fill(ctx, 0, o.objects)
		},
		start: func() func(int) (step, func()) { return op.start(s) },
		close: func(ctx context.Context) error { return errors.Join(s.close(ctx), closeKeys(ctx)) },
	}, nil
}
